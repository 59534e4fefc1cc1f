"""Whose are the values in a file's attributes: nobody's yet, ours, or the user's?

The rules are those of `docs/decisions/0021`: what the user set is theirs for ever, what they took away stays away. A
value is ours only if it stands exactly as the claim says, and if the journal agrees. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keeprate.attributes.claim import Attributes, Claim, short_key
from keeprate.plugin_api import MarkRefusedError


@dataclass(frozen=True, slots=True)
class Channel:
    """One attribute that viewers read."""

    name: str
    """A short word for the claim: `stars`."""
    attribute: str
    """`user.baloo.rating`."""
    says_nothing: Callable[[bytes], bool]
    """Whether a value is as good as none (0 stars, no tags)."""
    without: Callable[[bytes, bytes], bytes | None]
    """(standing, ours) → what remains once ours is taken out; None if nothing does."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """The attributes of one photo manager."""

    channels: tuple[Channel, ...]
    claim_attribute: str

    def claim_in(self, attributes: Attributes) -> Claim | None:
        """What keeprate claims there."""
        return Claim.decoded(attributes.values.get(self.claim_attribute))

    def wanted(
        self, here: Attributes, journal: Attributes, content_key: str, wishes: Mapping[str, bytes | None]
    ) -> Attributes:
        """What should stand, given what does, what the journal says we last wrote here, and a wish per channel name.

        The wish None is that nothing of ours stands there.

        Raises:
            MarkRefusedError: there is a claim that proves nothing.
        """
        key = short_key(content_key)
        claim, remembered = self.claim_in(here), self.claim_in(journal)
        if claim is not None and not _is_trusted(claim, remembered, key):
            raise MarkRefusedError(
                "keeprate's own attribute in it was made for another picture, or by another keeprate"
            )
        values = dict(here.values)
        wrote: dict[str, bytes] = {}
        owned = set(claim.user_owns if claim is not None else ())
        dropped: set[str] = set()
        """Channels whose memory is in the journal only: somebody removed the claim with all the rest."""
        if claim is None and remembered is not None and remembered.key == key:
            dropped = {*remembered.wrote, *remembered.user_owns}
        for channel in self.channels:
            standing, wish = here.values.get(channel.attribute), wishes[channel.name]
            if channel.name in dropped:
                owned.add(channel.name)
            elif _is_users(channel, standing, claim):
                if claim is not None and channel.name in claim.wrote:
                    owned.add(channel.name)  # changed or removed by them
            elif wish is not None:
                values[channel.attribute] = wrote[channel.name] = wish
            elif claim is not None and standing in claim.may_be_ours(channel.name):
                del values[channel.attribute]
        put(values, self.claim_attribute, Claim(key, wrote, frozenset(owned)).encoded())
        return Attributes(values)

    def users(self, here: Attributes, journal: Attributes, content_key: str) -> dict[str, bytes]:
        """The user's values by channel name, ours taken out of each: what is in doubt is not the user's here.

        A claim is believed whatever picture it was made for: a copy that was edited carries our stars along.
        """
        remembered = self.claim_in(journal)
        if remembered is not None and remembered.key != short_key(content_key):
            remembered = None
        found: dict[str, bytes] = {}
        for channel in self.channels:
            value = here.values.get(channel.attribute)
            for witness in (self.claim_in(here), remembered):
                if witness is None or channel.name in witness.user_owns:
                    continue
                for ours in witness.may_be_ours(channel.name):
                    value = channel.without(value, ours) if value is not None else None
            if value is not None and not channel.says_nothing(value):
                found[channel.name] = value
        return found

    def taken_back(self, here: Attributes, before: Attributes, after: Attributes) -> Attributes:
        """What remains of `here` once our change from `before` to `after` is taken back."""
        values = dict(here.values)
        for channel in self.channels:
            name = channel.attribute
            standing, ours = here.values.get(name), after.values.get(name)
            if before.values.get(name) == ours:
                continue
            if standing == ours:
                put(values, name, before.values.get(name))
            elif standing is not None and ours is not None:
                put(values, name, channel.without(standing, ours))
        if self.claim_attribute in values or self.claim_attribute not in after.values:
            put(values, self.claim_attribute, before.values.get(self.claim_attribute))
        return Attributes(values)


def put(values: dict[str, bytes], name: str, value: bytes | None) -> None:
    """Set a value, or remove it."""
    if value is None:
        values.pop(name, None)
    else:
        values[name] = value


def _is_trusted(claim: Claim, remembered: Claim | None, key: str) -> bool:
    """Whether the journal agrees with a claim.

    The journal goes by path: of a photo that was renamed or copied it says nothing, or something about another
    picture. Then the claim must have been made for this very picture. One that was edited in place has another key
    than before, in the claim as in the journal.
    """
    if remembered is None or (remembered.key != key and claim.key == key):
        return claim.key == key
    return claim.key == remembered.key and remembered.wrote in (claim.wrote, claim.unfinished)


def _is_users(channel: Channel, standing: bytes | None, claim: Claim | None) -> bool:
    says_nothing = standing is None or channel.says_nothing(standing)
    if claim is None:
        return not says_nothing
    if channel.name in claim.user_owns:
        return True
    if standing is not None and standing in claim.may_be_ours(channel.name):
        return False
    removed = channel.name in claim.wrote and claim.unfinished is None
    return removed or not says_nothing
