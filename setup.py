"""What pyproject.toml cannot say: how the CPU kernel is compiled, and that lrdecay does without."""

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNEL = Path("lrdecay/engine/native/kernel")


class BuildKernel(build_ext):
    """Compiles the kernel, and leaves none of an earlier time where that fails."""

    def build_extension(self, ext: Extension) -> None:
        """Compile it."""
        Path(self.get_ext_fullpath(ext.name)).unlink(missing_ok=True)
        super().build_extension(ext)


setup(
    cmdclass={"build_ext": BuildKernel},
    ext_modules=[
        Extension(
            # a library that ctypes loads, so one build serves every version of Python
            "lrdecay.engine.native._kernel",
            sources=sorted(str(path) for path in KERNEL.glob("*.cpp")),
            depends=sorted(str(path) for path in KERNEL.glob("*.hpp")),
            language="c++",
            extra_compile_args=[
                *("-std=c++17", "-O3", "-fvisibility=hidden", "-Wno-psabi"),
                # a product and a sum in one instruction, and square roots without errno
                *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
            ],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
