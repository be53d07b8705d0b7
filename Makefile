# `make help` lists what there is. Everything works in .venv, made by a CPython >= 3.12 that
# tools/find-python finds; PYTHON=... names another.

VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find src pyftrace -name '*.[ch]' -o -name '*.py' -o -name '*.pyi' -o -path '*/hook/*' -o -path '*/html/*') \
	setup.py pyproject.toml

.PHONY: help demo test lint fuzz bench plots gate matrix clean venv build \
	oracle mutants others kill diskfull oom planted joins races large leaks asan jupyterlab viewers \
	pictures docs dist wheels man

help:
	@echo 'make demo      build into .venv and trace an example'
	@echo 'make test      build, install what the tests need, run the whole suite'
	@echo 'make lint      ruff, mypy, clang-format, a build without warnings'
	@echo 'make fuzz      the reader of recordings against a million hostile ones (clang)'
	@echo 'make oracle    generated programs against what must be seen (N=... programs)'
	@echo 'make mutants   engines with one deliberate fault each: the oracle must notice (minutes)'
	@echo "make others    CPython's own tests, traced against untraced (ARGS=--short: a few)"
	@echo 'make kill      recorded programs killed at random moments (PYFTRACE_FAULTS=... times)'
	@echo 'make diskfull, make oom, make planted   no room, no memory, things in the way'
	@echo 'make joins     processes that make and join one recording at the same moment'
	@echo 'make races     tracing started and stopped under 8 busy threads'
	@echo 'make large     millions of calls, very deep, many threads (PYFTRACE_FAULTS=... million calls)'
	@echo 'make leaks     rounds of every entry of the API, on a debug build (MATRIX=... another)'
	@echo 'make asan      the suite with the extension sanitized (ARGS=all: all of it)'
	@echo 'make jupyterlab  the magics in a real JupyterLab, in Chromium (500 MB of packages; not in CI)'
	@echo 'make viewers   what is exported, opened by the programs it is for (Debian, PyPI, npm; chromium)'
	@echo 'make bench     how fast, against others (an hour; ARGS="--pairs 3 --parts calls": a minute)'
	@echo 'make plots     pictures of what make bench found, into docs/pictures'
	@echo 'make pictures  of the documentation, made anew by the tools themselves'
	@echo 'make gate      what tracing adds, counted, against bench/budget.json (UPDATE=1: it becomes the budget;'
	@echo '               PROVE=1: are worse engines caught? valgrind, strace)'
	@echo 'make matrix    the suite on every Python there is, also those in a chroot (root, minutes)'
	@echo 'make man       docs/pyftrace.1 and tables in docs, from what the command line takes'
	@echo 'make docs      the documentation as a site, build/docs; a dead link fails (BUILDER=linkcheck:'
	@echo '               also those that lead outside)'
	@echo 'make dist      the sdist and a wheel into dist, checked and tried'
	@echo 'make wheels    and wheels for every Python there is (root, a chroot)'
	@echo 'make clean     remove what was built'
	@echo 'PYTHON=...     which CPython (>= 3.12) to use; the newest found otherwise'

$(BIN)/python:
	@python=$$(tools/find-python) || exit 2; \
	echo "using $$python"; \
	"$$python" -m venv $(VENV)

venv: $(BIN)/python

$(VENV)/.built: $(SOURCES) | $(BIN)/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check --force-reinstall --no-deps .
	@touch $@

$(VENV)/.test-tools: tools/requirements-test.txt | $(BIN)/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r tools/requirements-test.txt
	@touch $@

$(VENV)/.lint-tools: tools/requirements-lint.txt | $(BIN)/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r tools/requirements-lint.txt
	@touch $@

$(VENV)/.dist-tools: tools/requirements-dist.txt | $(BIN)/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r tools/requirements-dist.txt
	@touch $@

$(VENV)/.docs-tools: tools/requirements-docs.txt | $(BIN)/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r tools/requirements-docs.txt
	@touch $@

build: $(VENV)/.built

demo: $(VENV)/.built
	$(BIN)/pyftrace examples/foobar.py

test: $(VENV)/.built $(VENV)/.test-tools
	$(BIN)/python -P -m pytest -n auto

lint: $(VENV)/.built $(VENV)/.test-tools $(VENV)/.lint-tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check pyftrace tests setup.py
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $$(find src -name '*.[ch]')
	@rm -rf build/lint && PYFTRACE_BUILD=werror $(BIN)/python setup.py -q build_ext \
		--build-lib build/lint --build-temp build/lint && echo 'C: no warnings'

fuzz:
	tests/fuzz/run $(RUNS)

oracle: $(VENV)/.built $(VENV)/.test-tools
	tests/oracle/run --programs $(or $(N),1000) --jobs 2

mutants: $(VENV)/.built $(VENV)/.test-tools
	tests/oracle/mutants --jobs 2

others: $(VENV)/.built
	$(BIN)/python tests/others/run $(ARGS)

kill diskfull oom planted joins races large: $(VENV)/.built
	$(BIN)/python tests/faults/$@.py

leaks:
	MATRIX=$(or $(MATRIX),3.14d) tools/matrix leaks

asan: $(VENV)/.built $(VENV)/.test-tools
	tools/asan $(ARGS)

build/jupyterlab-venv/.done: tests/browser/requirements.txt | $(BIN)/python
	@$(BIN)/python -m venv build/jupyterlab-venv
	@build/jupyterlab-venv/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

jupyterlab: build/jupyterlab-venv/.done
	@build/jupyterlab-venv/bin/pip install -q --disable-pip-version-check --force-reinstall --no-deps .
	build/jupyterlab-venv/bin/python -P tests/browser/jupyterlab.py

viewers: $(BIN)/python
	tools/make-viewers build/viewers $(BIN)/python
	build/viewers/venv/bin/python -P -m pytest -q $(or $(ARGS),tests/viewers)

bench: $(VENV)/.built $(VENV)/.test-tools
	bench/fetch build/bench-packages
	$(BIN)/python bench/run.py $(ARGS)
	$(BIN)/python bench/recordings.py

plots: $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check 'matplotlib>=3.10'
	$(BIN)/python bench/plots.py

pictures: $(VENV)/.built $(VENV)/.test-tools
	$(BIN)/python -m pip install -q --disable-pip-version-check 'rich>=14' 'playwright>=1.50'
	$(BIN)/python -P tools/make-pictures $(ARGS)

docs: $(VENV)/.built $(VENV)/.docs-tools
	@rm -rf build/docs  # a page that has not changed would not be asked for dead links
	$(BIN)/python -P -m sphinx -q -W --keep-going -b $(or $(BUILDER),html) -c docs . build/docs

gate: $(VENV)/.test-tools
	$(BIN)/python -P bench/gate.py $(if $(UPDATE),--update) $(if $(PROVE),--prove) $(ARGS)

man: $(VENV)/.built
	$(BIN)/python -P tools/make-man >docs/pyftrace.1
	@mkdir -p build && for page in $$(grep -l ': make man -->' docs/*.md docs/*/*.md); do \
		$(BIN)/python -P tools/make-man $$page >build/page.md && cp build/page.md $$page || exit 1; \
	done

dist: $(VENV)/.dist-tools
	tools/make-dist dist

wheels: dist
	tools/make-wheels dist

matrix:
	tools/matrix

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache tests/*/actual
