"""The formats of strings that are enforced: what stands between the quotes, as grammars."""

_OCTET = '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9]{2} | [1-9] [0-9] | [0-9])'
_LABEL = "[a-z] [a-z0-9]{0,30}"
_HOST = f'{_LABEL} ("." {_LABEL}){{0,3}} "." [a-z]{{2,6}}'
# February has 28 days, so that nobody has to count years.
_DATE = (
    '("19" | "20") [0-9]{2} "-" ('
    '("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])'
    ' | ("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30")'
    ' | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))'
)
_HOURS = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]'
_TIME = f'{_HOURS} ":" [0-5] [0-9] ("." [0-9]{{3}})? ("Z" | [-+] {_HOURS})'

FORMATS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f'{_DATE} "T" {_TIME}',
    "duration": '"P" ([1-9] [0-9]{0,3} [DMYW] | "T" [1-9] [0-9]{0,3} [HMS])',
    "email": f'[a-z] [a-z0-9]{{0,30}} ("." [a-z0-9]{{1,30}})? "@" {_HOST}',
    "hostname": _HOST,
    "uri": f'"https://" {_HOST} ("/" [a-zA-Z0-9._~-]{{1,40}}){{0,4}} "/"?',
    "uuid": "hex{8} " + " ".join('"-" hex{4}' for _ in range(3)) + ' "-" hex{12}',
    "ipv4": f'{_OCTET} ("." {_OCTET}){{3}}',
    "ipv6": '[1-9a-f] hex{0,3} (":" [1-9a-f] [0-9a-f]{0,3}){7}',
}
