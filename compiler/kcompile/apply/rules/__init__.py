"""iptables and ip6tables on a node: from the installed rules to the wanted ones."""
