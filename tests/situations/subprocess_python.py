# childless
import os
import subprocess
import sys


def main():
    code = "import os; print('child', 'PYFTRACE' in os.environ)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    print(done.stdout.strip(), repr(done.stderr), done.returncode)
    print(os.system("true"))


main()
