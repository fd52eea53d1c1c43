from __future__ import annotations

from ipaddress import ip_address

import pytest

from rhymes.common.errors import InputError
from rhymes.images.network import AddressGuard, is_public

PUBLIC = "93.184.215.14"


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("0.0.0.0", id="unspecified"),
        pytest.param("10.1.2.3", id="private"),
        pytest.param("100.64.0.1", id="carrier-grade NAT"),
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("169.254.169.254", id="link-local"),
        pytest.param("172.31.255.255", id="private 172"),
        pytest.param("192.88.99.1", id="6to4 relay"),
        pytest.param("192.0.2.1", id="documentation"),
        pytest.param("224.0.0.1", id="multicast"),
        pytest.param("239.255.255.250", id="multicast 239"),
        pytest.param("240.0.0.1", id="reserved"),
        pytest.param("255.255.255.255", id="broadcast"),
        pytest.param("::", id="IPv6 unspecified"),
        pytest.param("::1", id="IPv6 loopback"),
        pytest.param("::7f00:1", id="IPv4-compatible"),
        pytest.param("::ffff:10.0.0.1", id="IPv4-mapped"),
        pytest.param("64:ff9b::a00:1", id="NAT64"),
        pytest.param("64:ff9b:1::a00:1", id="local NAT64"),
        pytest.param("100::1", id="discard"),
        pytest.param("2001:db8::1", id="IPv6 documentation"),
        pytest.param("2002:7f00:1::", id="6to4"),
        pytest.param("2001:0:4136:e378:8000:63bf:80ff:fffe", id="Teredo to 127.0.0.1"),
        pytest.param("fc00::1", id="unique local"),
        pytest.param("fe80::1%eth0", id="IPv6 link-local"),
        pytest.param("fec0::1", id="site-local"),
        pytest.param("ff02::1", id="IPv6 multicast"),
    ],
)
def test_address_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        PUBLIC,
        "1.1.1.1",
        "2606:4700::1111",
        f"::ffff:{PUBLIC}",
        "64:ff9b::101:101",
        "2002:101:101::",
    ],
)
def test_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("entry", ["http://cdn.local", "a/b", "a:port", "", "user@host", "a:99999"])
def test_broken_entry_of_allowed_hosts_is_an_error(entry: str) -> None:
    with pytest.raises(InputError, match=r"fetch\.allowed_hosts"):
        AddressGuard([entry])
