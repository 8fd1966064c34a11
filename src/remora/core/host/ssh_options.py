"""Every option of ssh_config(5), and how remora treats it when it speaks SSH itself.

``ssh -G`` prints each option that it knows. An option that restricts or verifies something is honoured, or the
connection goes through the system's ``ssh``, which honours it. So does one that is not in this table and has another
value than OpenSSH's default: a newer OpenSSH may have given it any meaning. ``docs/ssh-options.md`` shows the table.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from remora.core.host.hosts import Host, Notice


class Handling(StrEnum):
    """What an option does to a connection that remora makes itself."""

    HONOURED = "honoured"
    HARMLESS = "no effect"
    OPENSSH = "through ssh"
    SAID = "not done, said"


class Option(NamedTuple):
    """One option: `keyword` as ``ssh -G`` prints it, and what remora does or leaves undone."""

    keyword: str
    handling: Handling
    meaning: str


_ROWS: Final = (
    # What the name means.
    ("host hostname user port tag ignoreunknown", Handling.HONOURED, "ssh -G resolves it"),
    ("canonicaldomains canonicalizefallbacklocal canonicalizehostname", Handling.HONOURED, "ssh -G resolves it"),
    ("canonicalizemaxdots canonicalizepermittedcnames", Handling.HONOURED, "ssh -G resolves it"),
    # The route.
    ("addressfamily", Handling.HONOURED, "only such addresses are dialled"),
    ("bindaddress", Handling.HONOURED, "the connection comes from it"),
    ("bindinterface", Handling.OPENSSH, "the connection is bound to that interface"),
    ("connecttimeout", Handling.HONOURED, "it limits each connection"),
    ("connectionattempts", Handling.HARMLESS, "remora decides itself when to dial again"),
    ("proxycommand", Handling.HONOURED, "it carries the connection"),
    ("proxyjump", Handling.HONOURED, "each jump is resolved and verified like the host"),
    ("proxyusefdpass", Handling.OPENSSH, "the ProxyCommand hands over a descriptor"),
    ("ipqos", Handling.HARMLESS, "it marks packets"),
    ("tcpkeepalive", Handling.HONOURED, "as configured"),
    ("serveraliveinterval", Handling.HONOURED, "remora sends keepalives where it is not set"),
    ("serveralivecountmax", Handling.HONOURED, "as configured"),
    # The host's key.
    ("stricthostkeychecking", Handling.HONOURED, "a changed key is refused under every value"),
    ("userknownhostsfile", Handling.HONOURED, "with wildcards, ports, hashed names, @cert-authority and @revoked"),
    ("globalknownhostsfile", Handling.HONOURED, "as UserKnownHostsFile"),
    ("knownhostscommand", Handling.OPENSSH, "a command says which host keys are known"),
    (
        "revokedhostkeys",
        Handling.HONOURED,
        "public keys are read as text; a binary list (KRL), or a line that is not a key, goes through ssh",
    ),
    ("hostkeyalias", Handling.HONOURED, "the key is looked up under it"),
    ("hostkeyalgorithms", Handling.HONOURED, "nothing else is accepted; where remora has none of them, through ssh"),
    ("casignaturealgorithms", Handling.HONOURED, "a certificate that was signed in another way does not hold"),
    ("requiredrsasize", Handling.HONOURED, "for the keys of hosts and your own"),
    ("rsaminsize", Handling.HONOURED, "an older name of RequiredRSASize"),
    ("checkhostip", Handling.HONOURED, "a key on record for the address must be the same"),
    ("hashknownhosts", Handling.HONOURED, "for keys that you tell remora to record"),
    ("updatehostkeys", Handling.HARMLESS, "remora learns no further keys from a host"),
    ("fingerprinthash", Handling.HARMLESS, "fingerprints are shown as SHA256"),
    ("visualhostkey", Handling.HARMLESS, "it draws a picture"),
    ("verifyhostkeydns", Handling.SAID, "host keys are not looked up in DNS"),
    ("nohostauthenticationforlocalhost", Handling.SAID, "the host key is checked on localhost too"),
    # The login.
    ("preferredauthentications", Handling.HONOURED, "where remora has none of the methods, through ssh"),
    ("pubkeyauthentication", Handling.HONOURED, "as configured"),
    ("passwordauthentication", Handling.HONOURED, "asked once"),
    ("kbdinteractiveauthentication", Handling.HONOURED, "asked once"),
    ("kbdinteractivedevices", Handling.OPENSSH, "only some devices of keyboard-interactive are allowed"),
    ("pubkeyacceptedalgorithms", Handling.HONOURED, "keys and certificates of other kinds are not offered"),
    ("identityfile", Handling.HONOURED, "with the public half alone, too, where an agent has the key"),
    ("identitiesonly", Handling.HONOURED, "as configured"),
    ("identityagent", Handling.HONOURED, "as configured"),
    ("certificatefile", Handling.HONOURED, "as configured"),
    ("addkeystoagent", Handling.HARMLESS, "remora adds no keys to an agent"),
    ("numberofpasswordprompts", Handling.HONOURED, "for passphrases; a password is asked once"),
    ("batchmode", Handling.HONOURED, "nobody is asked"),
    ("pkcs11provider", Handling.SAID, "keys on a smart card are used only through an SSH agent"),
    ("securitykeyprovider", Handling.HARMLESS, "security keys are used only through an SSH agent"),
    ("hostbasedauthentication", Handling.SAID, "host-based authentication is not tried"),
    ("hostbasedacceptedalgorithms", Handling.HARMLESS, "host-based authentication is not tried"),
    ("enablesshkeysign", Handling.HARMLESS, "host-based authentication is not tried"),
    ("gssapiauthentication", Handling.HARMLESS, "it is not tried; a refused login says so"),
    ("gssapidelegatecredentials", Handling.SAID, "Kerberos credentials are not handed on"),
    ("gssapiclientidentity gssapikexalgorithms gssapikeyexchange", Handling.HARMLESS, "GSSAPI is not tried"),
    ("gssapirenewalforcesrekey gssapiserveridentity gssapitrustdns", Handling.HARMLESS, "GSSAPI is not tried"),
    ("usekeychain", Handling.HARMLESS, "passphrases are not read from the macOS keychain"),
    # The encryption.
    (
        "ciphers macs kexalgorithms",
        Handling.HONOURED,
        "nothing else is accepted; where remora has none of them, through ssh",
    ),
    ("rekeylimit", Handling.HONOURED, "as configured"),
    ("compression", Handling.HONOURED, "as configured"),
    ("warnweakcrypto", Handling.HARMLESS, "it prints a warning"),
    ("versionaddendum", Handling.HARMLESS, "it is a comment"),
    ("obscurekeystroketiming", Handling.HARMLESS, "remora has no keystrokes to hide"),
    # Sessions.
    ("forwardagent", Handling.HONOURED, "as configured"),
    ("sendenv", Handling.HONOURED, "as configured"),
    ("setenv", Handling.HONOURED, "as configured"),
    ("channeltimeout", Handling.OPENSSH, "idle channels are closed"),
    ("remotecommand", Handling.SAID, "it is not run; remora starts its own commands"),
    ("tunnel", Handling.SAID, "no tunnel device is set up"),
    ("tunneldevice", Handling.HARMLESS, "no tunnel device is set up"),
    ("controlpath", Handling.HONOURED, "a running control master is used"),
    ("controlmaster", Handling.HARMLESS, "remora does not become a control master"),
    ("controlpersist", Handling.HARMLESS, "remora does not become a control master"),
    ("localcommand permitlocalcommand", Handling.HARMLESS, "no command is run on this machine"),
    (
        "localforward remoteforward dynamicforward clearallforwardings exitonforwardfailure",
        Handling.HARMLESS,
        "only remora's own forwardings are set up",
    ),
    (
        "gatewayports permitremoteopen streamlocalbindmask streamlocalbindunlink",
        Handling.HARMLESS,
        "only remora's own forwardings are set up",
    ),
    ("forwardx11 forwardx11timeout forwardx11trusted xauthlocation", Handling.HARMLESS, "X11 is not forwarded"),
    ("requesttty escapechar enableescapecommandline", Handling.HARMLESS, "remora's sessions have no terminal"),
    ("sessiontype stdinnull forkafterauthentication", Handling.HARMLESS, "remora's sessions are its own"),
    ("loglevel logverbose syslogfacility", Handling.HARMLESS, "it is about the messages of ssh"),
)

OPTIONS: Final[Mapping[str, Option]] = {
    keyword: Option(keyword, handling, meaning) for keywords, handling, meaning in _ROWS for keyword in keywords.split()
}
"""All options that are known, by keyword, in the order of the documentation."""

_RETIRED: Final = (
    "afstokenpassing challengeresponseauthentication cipher compressionlevel dsaauthentication fallbacktorsh",
    "globalknownhostsfile2 hostbasedkeytypes identityfile2 keepalive kerberosauthentication kerberostgtpassing",
    "protocol pubkeyacceptedkeytypes rhostsauthentication rhostsrsaauthentication rsaauthentication",
    "skeyauthentication smartcarddevice tisauthentication useprivilegedport userknownhostsfile2 useroaming",
    "usersh",
)
RETIRED: Final = frozenset(keyword for keywords in _RETIRED for keyword in keywords.split())
"""Options that OpenSSH accepts without printing them: older names, and what it does not do any more."""


def only_openssh(host: Host) -> tuple[str, ...]:
    """Why only the system's ``ssh`` can connect to `host` as configured; empty when remora can."""
    known = tuple(
        f"{option.keyword} is set: {option.meaning}"
        for option in _set_options(host)
        if option.handling is Handling.OPENSSH
    )
    strange = unknown_options(host)
    return known + tuple(f"{keyword} is set, which remora does not know" for keyword in strange)


def notices_for(host: Host) -> tuple[Notice, ...]:
    """What the user has set and remora does not do. Nothing of this restricts a connection."""
    return tuple(
        Notice("option-not-honoured", f"{option.keyword} is set for {host.alias}: {option.meaning}.")
        for option in _set_options(host)
        if option.handling is Handling.SAID
    )


def unknown_options(host: Host) -> tuple[str, ...]:
    """The options of the answer that are not in the table."""
    return tuple(keyword for keyword in host.options if keyword not in OPTIONS)


_NEUTRAL: Final = frozenset({"", "no", "none", "false", "default"})
"""Values that ask for nothing."""


def _set_options(host: Host) -> Iterator[Option]:
    for keyword, values in host.options.items():
        option = OPTIONS.get(keyword)
        if option is not None and any(value.lower() not in _NEUTRAL for value in values):
            yield option
