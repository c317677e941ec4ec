#!/usr/bin/env python3
"""Build .dvc/plots/offline.html, the page that `dvc plots show|diff` fills in.

DVC's own page loads Vega, Vega-Lite and Vega-Embed from a CDN, so without a
network it stays blank. This page carries the three minified scripts inline.

    tools/vendor_vega.py              fetch the scripts with `npm pack`, write the page
    tools/vendor_vega.py --page-only  rewrite the page around the scripts it has
    tools/vendor_vega.py --check      verify the page; writes nothing, needs no network

To update a library: change its version in LIBRARIES, run the script, put the two
sha256 values that it reports into the table once you trust them, run it again, and
bring LICENSE-vega.txt up to date. Keep the major versions that DVC's own page
loads (see SCRIPTS in dvc_render/vega.py): DVC writes its specs for those.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

PLOTS = Path(__file__).resolve().parent.parent / ".dvc" / "plots"
PAGE = PLOTS / "offline.html"
LICENSES = PLOTS / "LICENSE-vega.txt"


class Library(NamedTuple):
    name: str
    version: str
    tarball_sha256: str
    script_sha256: str  # of the minified script as it stands in the page


LIBRARIES = [
    Library(
        "vega",
        "5.33.1",
        "1b8504b6731c5311be3269c4d84ca996a5cc293bc772283293ede20c490e16c3",
        "135831f62920743d4467bec0df2d78eedd16fa3444077419f1dfc9aa0d55e6da",
    ),
    Library(
        "vega-lite",
        "5.23.0",
        "e4cbfdd8f6f1abe381c59cd558fd6a559c12b1496bfdf2e0c3295263a40fe4da",
        "9525bc3368d62c580e8fcbf5db63c4a95c04052fe32ced063817c677cc98801c",
    ),
    Library(
        "vega-embed",
        "6.29.0",
        "ecf1ee709c2bac9e0a4ead6908114b05b62c71493e10a8a4308109bb070f8eb1",
        "16512fd17119051ee3f859467e174fe1503ff86c0a4743aaf8b7c10da3dd83e0",
    ),
]

# What would end or change the <script> element, or what DVC would substitute.
FORBIDDEN = re.compile(r"</script|<script|<!--|\{(?:scripts|plot_divs|refresh_tag)\}", re.IGNORECASE)

# DVC replaces {refresh_tag} and {plot_divs}. The page must not hold DVC's third
# placeholder, the one for script tags: those load from the CDN.
SKELETON = """\
<!DOCTYPE html>
<!-- Written by tools/vendor_vega.py: edit that and run it again. -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; \
img-src 'self' file: data: blob:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
{refresh_tag}
<title>DVC plots</title>
<link rel="icon" href="data:,">
<style>
:root {
  --page: #f6f7f9; --card: #ffffff; --line: #d9dde3; --text: #1f2328;
  --faint: #59636e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #121519; --card: #1b1f24; --line: #363c44; --text: #e6e9ed;
    --faint: #9aa4af;
  }
}
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto,
    "Helvetica Neue", Arial, sans-serif;
}
main {
  display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1rem;
  max-width: 82rem; margin: 0 auto; padding: 1.25rem;
}
main > div {
  box-sizing: border-box; flex: 1 1 auto; max-width: 100%; overflow-x: auto;
  padding: .9rem; text-align: center; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px;
}
/* DVC styles image plots inline (borders, no wrapping): undo that. */
main > div[style*="nowrap"] {
  flex: 1 0 100%; display: flex; flex-wrap: wrap; gap: .25rem 1rem;
  border: 1px solid var(--line) !important; text-align: left !important;
  white-space: normal !important;
}
main > div[style*="nowrap"] > p {
  flex: 1 0 100%; margin: 0; font-weight: 600; overflow-wrap: anywhere;
}
main > div > div[style*="dotted"] {
  max-width: calc(50% - .5rem); margin: 0 !important; border: 0 !important;
}
main > div > div[style*="dotted"]:only-of-type { max-width: 100%; }
main > div > div[style*="dotted"] > p {
  margin: 0 0 .4rem; color: var(--faint); font-size: .9em; overflow-wrap: anywhere;
}
main img {
  display: block; max-width: 100%; height: auto; background: #ffffff;
}
.vega-bindings { margin-top: .5rem; color: var(--faint); font-size: .9em; }
.plot-failed, noscript { color: #c62828; white-space: pre-wrap; }
</style>
@SCRIPTS@
<script>
// DVC calls vegaEmbed("#id", spec) for each plot: add defaults, the colour
// scheme, and a visible message where a plot cannot be drawn. No link to the
// online editor.
(function () {
  var embed = window.vegaEmbed;
  var query = window.matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", function () { window.location.reload(); });
  function fail(host, reason) {
    host.className = "plot-failed";
    host.textContent = host.id + ": this plot cannot be drawn.\\n" + reason;
  }
  window.vegaEmbed = function (target, spec, options) {
    // Not a selector: an id that begins with a digit would not be a valid one.
    var host = document.getElementById(target.slice(1));
    host.dataset.called = "yes";
    if (!Object.keys(spec).length) {
      return fail(host, "It has no data: see the warnings that dvc printed.");
    }
    var defaults = {
      actions: {export: true, source: true, compiled: false, editor: false},
      theme: query.matches ? "dark" : undefined,
      tooltip: {theme: query.matches ? "dark" : "light"},
      config: {
        background: query.matches ? "#1b1f24" : "#ffffff",
        axis: query.matches ? {gridColor: "#363c44"} : {},
        font: getComputedStyle(document.body).fontFamily
      }
    };
    return embed(host, spec, Object.assign(defaults, options)).catch(function (error) {
      console.error(error);
      fail(host, error.message);
    });
  };
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("main > div > script").forEach(function (script) {
      var host = script.parentElement;
      if (!host.dataset.called) {
        fail(host, "Its script has an error: is there a quote in the plot's name?");
      }
    });
  });
})();
</script>
</head>
<body>
<noscript>The plots on this page need JavaScript.</noscript>
<main>
{plot_divs}
</main>
</body>
</html>
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fetch(lib: Library, folder: str) -> str:
    """The minified script from the library's npm package."""
    spec = f"{lib.name}@{lib.version}"
    command = ["npm", "pack", "--silent", spec]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    tarball = Path(folder) / f"{lib.name}-{lib.version}.tgz"
    found = sha256(tarball.read_bytes())
    if found != lib.tarball_sha256:
        sys.exit(f"{spec}: the package's sha256 is {found}, not {lib.tarball_sha256}")
    member = f"package/build/{lib.name}.min.js"
    with tarfile.open(tarball) as tar:
        script = tar.extractfile(member).read().decode("utf-8")
        source_map = json.load(tar.extractfile(f"{member}.map"))
    # Every package bundled into the script needs its notice.
    licenses = LICENSES.read_text(encoding="utf-8")
    for source in source_map["sources"]:
        for name in re.findall(r"node_modules/((?:@[^/]+/)?[^/]+)/", source)[-1:]:
            if not re.search(rf"^[ ]+{re.escape(name)}(?=\s)", licenses, re.MULTILINE):
                sys.exit(f"{spec} bundles {name}: add it to {LICENSES.name}")
    # The map is not shipped, and a browser's tools would ask for it.
    return re.sub(r"\n//# sourceMappingURL=.*\n?\Z", "", script).strip()


def embedded() -> dict[str, str]:
    """The scripts that the page on disk carries."""
    page = PAGE.read_text(encoding="utf-8")
    return dict(re.findall(r'<script data-library="(.+?)@.+?">\n(.*?)\n</script>', page, re.S))


def render(scripts: dict[str, str]) -> str:
    """The page, once each script is known to be the published one."""
    blocks = []
    for lib in LIBRARIES:
        script = scripts.get(lib.name, "")
        found = sha256(script.encode("utf-8"))
        if found != lib.script_sha256:
            sys.exit(f"{lib.name}: script_sha256 is {found}, not {lib.script_sha256}")
        if FORBIDDEN.search(script):
            sys.exit(f"{lib.name}: {FORBIDDEN.search(script).group()!r} in the script")
        if f"{lib.name} {lib.version}" not in LICENSES.read_text(encoding="utf-8"):
            sys.exit(f"{LICENSES.name} does not name {lib.name} {lib.version}")
        blocks.append(f'<script data-library="{lib.name}@{lib.version}">\n{script}\n</script>')
    note = "<!-- BSD-3-Clause and others: see LICENSE-vega.txt beside this file. -->"
    return SKELETON.replace("@SCRIPTS@", "\n".join([note, *blocks]))


def main() -> None:
    """Fetch the scripts and write the page, or check the one on disk."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--page-only", action="store_true")
    mode.add_argument("--check", action="store_true")
    args = parser.parse_args()

    if args.page_only or args.check:
        scripts = embedded()
    else:
        with tempfile.TemporaryDirectory() as folder:
            scripts = {lib.name: fetch(lib, folder) for lib in LIBRARIES}
    page = render(scripts).encode("utf-8")
    if args.check:
        if PAGE.read_bytes() != page:
            sys.exit(f"{PAGE} differs from what this script writes")
        print(f"{PAGE.name}: {len(page):,} bytes, as built")
        return
    PAGE.write_bytes(page)
    print(f"{PAGE.name}: {len(page):,} bytes")


if __name__ == "__main__":
    main()
