"""Builds ft_floor: python bench/floor/setup.py build_ext --build-lib DIR."""

from pathlib import Path

from setuptools import Extension, setup

source = str(Path(__file__).with_name("floor.c"))
setup(name="ft_floor", ext_modules=[Extension("ft_floor", [source], extra_compile_args=["-O3"])])
