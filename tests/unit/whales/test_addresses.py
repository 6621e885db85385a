"""Addresses of every kind and network, by the vectors of BIP 350 and of Bitcoin Core."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.whales import base58, bech32
from app.domain.whales.addresses import address_of, script_of

NETWORKS = ("main", "testnet4", "signet", "regtest")

# Address, script and network: witness programs of BIP 350, then each kind as Bitcoin Core's key_io_valid.json has it.
VALID = (
    ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "0014751e76e8199196d454941c45d1b3a323f1433bd6", "main"),
    (
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
        "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
        "testnet4",
    ),
    (
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
        "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6",
        "main",
    ),
    ("BC1SW50QGDZ25J", "6002751e", "main"),
    ("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "5210751e76e8199196d454941c45d1b3a323", "main"),
    (
        "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
        "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
        "signet",
    ),
    (
        "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
        "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
        "testnet4",
    ),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        "main",
    ),
    ("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", "76a914a31c06bd463e3923bc1aadbde48b16976c08071788ac", "main"),
    ("36j4NfKv6Akva9amjWrLG6MuSQym1GuEmm", "a914373b819a068f32b7a6b38b6b38729647cfde01c287", "main"),
    ("mzK2FFDEhxqHcmrJw1ysqFkVyhUULo45hZ", "76a914ce28b26c57472737f5c3561a1761185bd8589a4388ac", "testnet4"),
    ("2NC2hEhe28ULKAJkW5MjZ3jtTMJdvXmByvK", "a914ce0bba75891ff9ec60148d4bd4a09ee2dc5c933187", "testnet4"),
    ("mww4LvqtTMKvmeQvizPz2EQv26xTneWrbg", "76a914b4110ba93ac54afc14da3bdd19614774a2d55d2988ac", "signet"),
    ("2N1r7aC69VHeE7yQJPDLi9T1PYq4wnwvjuT", "a9145e5a35ab44b3efaea5129ba22b88ba3e2976614587", "signet"),
    ("n4fajahJrAuKbN7uNsKjLjQkz9Qn5ewJXQ", "76a914fdeca3b08e38af53d7c4c60e3ad208ce5066441088ac", "regtest"),
    ("2MxFajLApXpYk4VodBSZSt7rw8y4ryABkfA", "a91436e9f191e0b75036a77f65e2eaa4752443233fbe87", "regtest"),
    ("mfhE6jAUwjUDNZhaX1PAsDTKfneQF2Nshc", "76a91401f15a4cc063dae4f4d56b89bfbc8bcc9ae5387c88ac", "regtest"),
    ("bcrt1qdavt4j2sd7dlhqsavtnfxvzppw6k7qy97tmnu9", "00146f58bac9506f9bfb821d62e69330410bb56f0085", "regtest"),
    (
        "bcrt1pfwxjqvtt4tcxrtdluukfmy2dv7xd2qzdfy6kajv5nwn4yam3wxkq3553uh",
        "51204b8d20316baaf061adbfe72c9d914d678cd5004d49356ec9949ba752777171ac",
        "regtest",
    ),
    (
        "bcrt1sx6p8njlx7h9mc2agz4yg82dzne23050ncq72cneeecez2pst8mahn8xecsf8g6hzx94420",
        "6028368279cbe6f5cbbc2ba8154883a9a29e5517d1f3c03cac4f39ce3225060b3efb799cd9c412746ae2",
        "regtest",
    ),
    # The first one ever, whose hash begins with zeros once its network byte is before it.
    ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac", "main"),
    ("1111111111111111111114oLvT2", f"76a914{'00' * 20}88ac", "main"),
)

# Of BIP 350, with the network on which each was written.
INVALID = (
    ("tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut", "main", "no address has"),
    ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", "main", "checksum"),
    ("tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf", "testnet4", "checksum"),
    ("BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL", "main", "checksum"),
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", "main", "checksum"),
    ("tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47", "testnet4", "checksum"),
    ("bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4", "main", "'o'"),
    ("BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R", "main", "witness version is 17"),
    ("bc1pw5dgrnzv", "main", "1 bytes in version 1"),
    ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav", "main", "41 bytes"),
    ("BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", "main", "16 bytes in version 0"),
    ("tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq", "testnet4", "mixes"),
    ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf", "main", "last letters"),
    ("tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j", "testnet4", "last letters"),
    ("bc1gmk9yu", "main", "length"),
    ("bc1" + "q" * 88, "main", "length"),
    ("", "main", "length"),
    ("1", "main", "length"),
    ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "main", "checksum"),
    ("11A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "main", "length"),
    ("A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "main", "length"),
    ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfN0", "main", "'0'"),
    ("1" + "z" * 40, "main", "too long"),
    # A private key, which somebody may have in a file by mistake.
    ("5JuW2AMDYu4xVwRG9DZW18VbzQrGcd5RCgb99sS6ehJsNQXu5b9", "main", "too long"),
    ("0x28c6c06298d514db089934071355e5743bf21d60", "main", "'0'"),
)

WITHOUT_ADDRESS = (
    "",
    "00",
    "51",
    "6a0b68656c6c6f20776f726c64",
    # A bare public key, compressed and not.
    "210279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798ac",
    f"41{'04' * 65}ac",
    # Version 0 with a length that it does not have, a program that is cut off, one that is too long, and OP_RESERVED.
    f"0015{'00' * 21}",
    f"0014{'00' * 19}",
    f"5129{'00' * 41}",
    f"5014{'00' * 20}",
    f"6114{'00' * 20}",
    f"4f14{'00' * 20}",
    f"76a914{'00' * 20}88ad",
    f"a914{'00' * 20}88",
)


@pytest.mark.parametrize(("address", "script", "network"), VALID)
def test_an_address_and_its_script_are_the_same_thing(address: str, script: str, network: str) -> None:
    assert script_of(address, network).hex() == script
    canonical = address.lower() if address.isupper() else address
    assert address_of(bytes.fromhex(script), network) == canonical


@pytest.mark.parametrize(("address", "network", "sentence"), INVALID)
def test_what_is_no_address_is_told_why(address: str, network: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        script_of(address, network)


@pytest.mark.parametrize("script", WITHOUT_ADDRESS)
def test_other_scripts_have_no_address(script: str) -> None:
    assert address_of(bytes.fromhex(script), "main") is None


@pytest.mark.parametrize(("address", "_script", "network"), VALID)
def test_an_address_of_another_network_is_told_as_such(address: str, _script: str, network: str) -> None:
    other = "main" if network != "main" else "regtest"
    with pytest.raises(ValueError, match=f"of another network than {other}"):
        script_of(address, other)


programs = st.one_of(
    st.tuples(st.just(0), st.binary(min_size=20, max_size=20) | st.binary(min_size=32, max_size=32)),
    st.tuples(st.integers(1, 16), st.binary(min_size=2, max_size=40)),
)
scripts = st.one_of(
    st.binary(min_size=20, max_size=20).map(lambda digest: b"\x76\xa9\x14" + digest + b"\x88\xac"),
    st.binary(min_size=20, max_size=20).map(lambda digest: b"\xa9\x14" + digest + b"\x87"),
    programs.map(lambda made: bytes([made[0] + 0x50 if made[0] else 0, len(made[1])]) + made[1]),
)


@given(scripts, st.sampled_from(NETWORKS))
def test_a_script_comes_back_from_its_address(script: bytes, network: str) -> None:
    address = address_of(script, network)
    assert address is not None
    assert script_of(address, network) == script


@given(scripts, st.sampled_from(NETWORKS), st.data())
def test_a_misspelt_letter_is_noticed(script: bytes, network: str, data: st.DataObject) -> None:
    address = address_of(script, network) or ""
    place = data.draw(st.integers(0, len(address) - 1))
    letter = data.draw(
        st.sampled_from("123456789acdefghjkmnpqrstuvwxyzABC").filter(lambda each: each != address[place])
    )
    with pytest.raises(ValueError, match=r"^it|^there"):
        script_of(address[:place] + letter + address[place + 1 :], network)


@given(st.text(max_size=100), st.sampled_from(NETWORKS))
def test_any_text_is_an_address_or_told_why_not(text: str, network: str) -> None:
    try:
        script = script_of(text, network)
    except ValueError:
        return
    assert address_of(script, network) in {text, text.lower()}


@given(st.binary(max_size=60), st.sampled_from(NETWORKS))
def test_any_bytes_are_a_script_with_or_without_an_address(script: bytes, network: str) -> None:
    address = address_of(script, network)
    assert address is None or script_of(address, network) == script


@given(st.binary(min_size=1, max_size=40))
def test_base58_gives_back_what_it_was_given(payload: bytes) -> None:
    assert base58.decoded(base58.encoded(payload), len(payload)) == payload


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=10).map(str.lower), programs)
def test_bech32_gives_back_what_it_was_given_under_any_prefix(prefix: str, program: tuple[int, bytes]) -> None:
    assert bech32.decoded(bech32.encoded(prefix, *program)) == (prefix, *program)
