"""Debian's packages that nodes need of this machine."""

# What bitcoind and images are made with; the last two tell an Ubuntu machine where Debian is, and whom to trust there.
DEBIAN = ("mmdebstrap", "debian-archive-keyring", "debootstrap")

# iptables for the netavark of Debian 12, nftables for the one of Debian 13.
PODMAN = ("podman", "runc", "netavark", "aardvark-dns", "iptables", "nftables")

CLIENT = ("openssh-client",)
