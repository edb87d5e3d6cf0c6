"""The kernel cache is the user's own."""

import os
import stat

import pytest

from supa.jit.triton_backend.cache_folder import keep_private


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("is_default", [True, False])
def test_a_new_folder_is_private(tmp_path, is_default):
    before = os.umask(0)
    try:
        keep_private(tmp_path / "a" / "cache", is_default)
    finally:
        os.umask(before)
    assert mode(tmp_path / "a" / "cache") == 0o700


def test_the_default_folder_is_made_private_again(tmp_path):
    tmp_path.chmod(0o777)
    keep_private(tmp_path, is_default=True)
    assert mode(tmp_path) == 0o700


def test_a_folder_that_others_can_write_is_kept_with_a_warning(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.warns(UserWarning, match="can be written by other users"):
        keep_private(tmp_path, is_default=False)
    assert mode(tmp_path) == 0o777


def test_a_shared_folder_for_reading_is_fine(tmp_path):
    tmp_path.chmod(0o755)
    keep_private(tmp_path, is_default=False)
    assert mode(tmp_path) == 0o755


def test_a_folder_that_can_not_be_made_is_tritons_to_report(tmp_path):
    (tmp_path / "file").write_text("")
    keep_private(tmp_path / "file" / "cache", is_default=True)
    assert not (tmp_path / "file" / "cache").exists()
