# threads
import multiprocessing


def square(x):
    return x * x


def main():
    for method in ("spawn", "fork"):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            print(method, pool.map(square, range(4)))


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    main()
