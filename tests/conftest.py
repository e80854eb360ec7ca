"""For all tests: shapes are checked, and nothing outside the test's own folder is written."""

import pytest
from jaxtyping import install_import_hook

install_import_hook("cambrian", "shape_checks.shapes_alone")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Stamps and cached labels go to a folder of this run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
