from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.errors import BadConfiguration
from decisions.release import LastGood, Mark, Release
from tasks.ledger_records import last_good_from_json, release_from_json, to_json

# Times are finite: JSON has no other numbers.
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
releases = st.from_type(Release)


@given(releases)
def test_a_release_survives_the_journey_to_json_and_back(release: Release) -> None:
    assert release_from_json(to_json(release)) == release


@given(st.from_type(LastGood))
def test_last_good_survives_the_journey_to_json_and_back(good: LastGood) -> None:
    assert last_good_from_json(to_json(good)) == good


@given(releases, st.from_type(Mark))
def test_an_abort_that_the_record_does_not_know_is_folded_in(release: Release, mark: Mark) -> None:
    unaware = replace(release, marks={key: mark for key, mark in release.marks.items() if key != "abort"})
    read = release_from_json(to_json(unaware), to_json(mark))
    assert read == replace(unaware, marks={**unaware.marks, "abort": mark})


@given(releases, st.from_type(Mark), st.from_type(Mark))
def test_an_abort_that_the_record_knows_stays_as_recorded(release: Release, own: Mark, other: Mark) -> None:
    aware = replace(release, marks={**release.marks, "abort": own})
    assert release_from_json(to_json(aware), to_json(other)) == aware


def test_an_unreadable_record_is_told_with_its_key() -> None:
    with pytest.raises(BadConfiguration, match="images: Field required"):
        release_from_json('{"release_id": "r1", "environment": "staging", "version": "1"}')
