"""Import torchvision built for CUDA on a CPU-only torch.

Set-up copies this file into a CPU environment's site-packages, with a `.pth` file that imports it
whenever an interpreter starts (see `harness._mending`). So it must stand alone, and cost nothing
until torchvision is imported.

On such a torch the library with torchvision's own operators cannot be loaded, and `import
torchvision` then fails because it describes two of them that are missing. Declaring the two is
enough: everything but the operators themselves (image transforms above all) works.
"""

import sys


class _Finder:
    """Finds torchvision as Python would, and has its operators declared before it runs."""

    @staticmethod
    def find_spec(name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name != "torchvision":
            return None
        from importlib.machinery import PathFinder, SourceFileLoader

        class Loader(SourceFileLoader):
            def exec_module(self, module):  # type: ignore[no-untyped-def]
                _declare_operators(module.__path__[0])
                super().exec_module(module)

        spec = PathFinder.find_spec(name, path)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


_libraries: list[object] = []  # operators live as long as the object that declared them


def _declare_operators(folder: str) -> None:
    import glob
    import os

    import torch

    if torch.version.cuda or torch.version.hip or hasattr(torch.ops.torchvision, "nms"):
        return
    try:
        for path in glob.glob(os.path.join(glob.escape(folder), "_C*.so")):  # noqa: PTH118, PTH207
            torch.ops.load_library(path)  # type: ignore[no-untyped-call]
    except OSError:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            library.define(schema)  # type: ignore[no-untyped-call]
        _libraries.append(library)


sys.meta_path.insert(0, _Finder)
