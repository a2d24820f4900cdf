"""Every text for people has its Portuguese in src/base/tr_pt_*.inc, and nothing there is left over from a text that is gone.

The texts are read from the sources; only the last test needs the program. A text is found where tr() or a function that
looks its format up is called with a literal, in the rows of the tables below, and in the few places where a variable
brings it to tr().
"""
import collections
import pathlib
import re

import pytest

SRC = pathlib.Path(__file__).resolve().parents[2] / 'src'
# function: which argument, from 0, is the text
LOOKED_UP = {'tr': 0, 'err_set': 2, 'err_errno': 2, 'err_wrap': 1, 'cli_note': 1, 'cli_warn': 1, 'cli_usage': 1}
# The functions above and tr's own callers pass a format on that they were given.
PASSED_ON = {('base', 'fmt'), ('cli', 'fmt')}
# folder and name of a table: which fields of its rows are texts, by name or by place
TABLES = {('cli', 'commands'): ('summary', 'text', 'group'), ('cli', 'options'): (3,), ('roles', 'settings'): (6,),
          ('roles', 'attempts'): (0,)}
# what tr() is given in this folder comes from those tables
ROWS = {('cli', name) for name in ('commands[i].summary', 'group', 'c->summary', 'c->text', 'o->help', 'o->doc',
                                 'row->attempt->what')}
# (folder, what tr() is given there): where that gets its texts from in the same folder: each literal in the initialiser of
# the variable, each literal that the function returns, or the argument of each call of the function
BROUGHT = {
    ('base', 'type_name(o)'): [('returned', 'type_name')],
    ('base', 'type_name(v)'): [('returned', 'type_name')],
    ('base', 'wanted'): [('returned', 'type_name')],
    ('job', 'key_type_words[key->type]'): [('variable', 'key_type_words')],
    ('job', 'key_type_words[k->type]'): [('variable', 'key_type_words')],
    ('job', 'problem'): [('returned', 'sql_text_problem')],
    ('job', 'wanted'): [('argument 2', 'wrong_type')],
    ('job', 'what'): [('argument 2', 'name_check')],
    ('job', 'why'): [('variable', name) for name in ('no_such', 'would_round', 'from_text', 'from_float')],
}
# <inttypes.h>, as on the machines that the program is for
MACROS = {f'PRI{c}{bits}': {'64': 'l', '32': '', 'MAX': 'j'}[bits] + c for c in 'diuxX' for bits in ('64', '32', 'MAX')}
ESCAPES = {'n': '\n', 't': '\t', 'r': '\r', '\\': '\\', '"': '"', "'": "'", '?': '?', 'a': '\a', 'b': '\b', 'f': '\f', 'v': '\v'}
TOKEN = re.compile(r'''
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<directive>^\#(?:\\\n|[^\n])*)
  | (?P<string>"(?:\\.|[^"\\\n])*")
  | (?P<char>'(?:\\.|[^'\\\n])+')
  | (?P<name>[A-Za-z_]\w*)
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<mark>->|\+\+|--|<<|>>|[<>=!]=|&&|\|\||\S)''', re.VERBOSE | re.DOTALL | re.MULTILINE)
CONVERSION = re.compile(r"%[-+ #'0]*[\d*]*(?:\.[\d*]*)?(?:hh|h|ll|l|j|z|t|L|q)?[a-zA-Z%]")

Token = collections.namedtuple('Token', 'kind text line')
Text = collections.namedtuple('Text', 'text place')


def unquoted(literal, place):
    out, i, body = bytearray(), 0, literal[1:-1]
    while i < len(body):
        if body[i] != '\\':
            out += body[i].encode()
            i += 1
            continue
        hexadecimal = re.compile(r'x([0-9a-fA-F]+)').match(body, i + 1)
        octal = re.compile(r'[0-7]{1,3}').match(body, i + 1)
        if hexadecimal or octal:
            out.append(int(hexadecimal[1], 16) if hexadecimal else int(octal[0], 8))
            i = (hexadecimal or octal).end()
        else:
            assert body[i + 1] in ESCAPES, f'{place}: \\{body[i + 1]} is no escape that this test knows'
            out += ESCAPES[body[i + 1]].encode()
            i += 2
    return out.decode(errors='replace')  # bytes that are no text have no Portuguese either


def tokens_of(text, name, line=1):
    """The tokens of C source, without comments, with neighbouring strings (and PRId64) made one; what macros stand for is
    at the end."""
    found, macros, at = [], [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        kind, word = match.lastgroup, match[0]
        token = None
        if kind == 'string':
            token = Token('text', unquoted(word, f'{name}:{line}'), line)
        elif kind == 'name' and word in MACROS:
            token = Token('text', MACROS[word], line)
        elif kind == 'directive' and word.startswith('#define'):
            macros += [Token('mark', ';', line), *tokens_of(word[1:].replace('\\\n', '\n'), name, line)]
        elif kind not in ('skip', 'directive'):
            token = Token(kind, word, line)
        if token and token.kind == 'text' and found and found[-1].kind == 'text':
            found[-1] = found[-1]._replace(text=found[-1].text + token.text)
        elif token:
            found.append(token)
        line += word.count('\n')
        at = match.end()
    return found + macros


def closing(tokens, at):
    """The index of the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(tokens)):
        if tokens[i].kind == 'mark':
            depth += (tokens[i].text in '([{') - (tokens[i].text in ')]}')
            if depth == 0:
                return i
    raise AssertionError(f'line {tokens[at].line}: a bracket is not closed')


def parts(tokens, mark=','):
    """The tokens between the marks that stand outside all brackets."""
    found, depth = [[]], 0
    for t in tokens:
        if t.kind == 'mark':
            depth += (t.text in '([{') - (t.text in ')]}')
        if depth == 0 and t.kind == 'mark' and t.text == mark:
            found.append([])
        else:
            found[-1].append(t)
    return found if found[-1] or len(found) == 1 else found[:-1]


def written(tokens):
    """An expression as it is written, in one way of spacing."""
    words = ''
    for t in tokens:
        words += (' ' if words and re.match(r'\w|\*', t.text) and re.search(r'[\w*]$', words) else '') + t.text
    return words


def branches(tokens):
    """What an expression may give: itself, or the branches of `condition ? this : that`."""
    while len(tokens) > 1 and tokens[0].text == '(' and tokens[0].kind == 'mark' and closing(tokens, 0) == len(tokens) - 1:
        tokens = tokens[1:-1]
    halves = parts(tokens, '?')
    if len(halves) == 1:
        return [tokens]
    rest = tokens[len(halves[0]) + 1:]
    open_questions = depth = 0
    for i, t in enumerate(rest):
        if t.kind == 'mark':
            depth += (t.text in '([{') - (t.text in ')]}')
            if depth == 0 and t.text == '?':
                open_questions += 1
            elif depth == 0 and t.text == ':':
                if open_questions == 0:
                    return branches(rest[:i]) + branches(rest[i + 1:])
                open_questions -= 1
    raise AssertionError(f'line {tokens[0].line}: ? without :')


def is_text(text):
    """Something that can be said in another language: not "%s: %s"."""
    return re.search(r'[^\W\d_]', CONVERSION.sub('', text)) is not None


class Source:
    """One file's tokens, and the ways to find texts in them."""

    def __init__(self, path, name=None):
        self.name = name or str(path.relative_to(SRC))
        self.folder = self.name.split('/')[0]
        self.tokens = tokens_of(path if name else path.read_text(encoding='utf-8'), self.name)

    def text(self, token):
        return Text(token.text, f'{self.name}:{token.line}')

    def calls(self, function):
        """The arguments of each call (or declaration) of a function; a macro of its name is neither."""
        for i, t in enumerate(self.tokens[:-1]):
            if self.tokens[i - 1].text != 'define' and t.kind == 'name' and t.text == function and self.tokens[i + 1].text == '(':
                yield parts(self.tokens[i + 2:closing(self.tokens, i + 1)])

    def argument(self, function, number):
        """The texts that a function is called with, and the expressions that are none."""
        texts, others = [], []
        for arguments in self.calls(function):
            assert len(arguments) > number, f'{self.name}: {function} with too few arguments'
            for branch in branches(arguments[number]):
                if len(branch) == 1 and branch[0].kind == 'text':
                    texts.append(self.text(branch[0]))
                else:
                    others.append((branch[0].line, written(branch)))
        return texts, others

    def initialiser(self, variable):
        """The tokens between = and ; of the definition of a variable; none when it is not defined here."""
        for i, t in enumerate(self.tokens):
            if t.kind != 'name' or t.text != variable or (i and self.tokens[i - 1].text in ('.', '->')):
                continue
            at = i + 1
            while self.tokens[at].text == '[':
                at = closing(self.tokens, at) + 1
            if self.tokens[at].text == '=' and self.tokens[at].kind == 'mark':
                return parts(self.tokens[at + 1:], ';')[0]
        return []

    def rows(self, variable, fields):
        """The texts in those fields of a table's rows, which are told by their places, or by their names in the rows."""
        for row in filter(None, parts(self.initialiser(variable)[1:-1])):
            start = next(i for i, t in enumerate(row) if t.text == '{' and t.kind == 'mark')
            cells = dict(enumerate(parts(row[start + 1:-1])))
            for cell in list(cells.values()):
                if cell[0].text == '.' and cell[0].kind == 'mark':
                    cells[cell[1].text] = cell[3:]
            assert fields[0] in cells, f'{self.name}:{row[0].line}: a row of {variable} without {fields[0]}'
            for cell in (cells[field] for field in fields if field in cells):
                assert len(cell) == 1 and (cell[0].kind == 'text' or cell[0].text == 'NULL'), \
                    f'{self.name}:{cell[0].line}: {written(cell)} is no text for {variable}'
                if cell[0].kind == 'text':
                    yield self.text(cell[0])

    def returned(self, function):
        """The literals that a function returns, if it is defined here."""
        for i, t in enumerate(self.tokens[:-1]):
            if t.kind == 'name' and t.text == function and self.tokens[i + 1].text == '(':
                body = closing(self.tokens, i + 1) + 1
                if self.tokens[body].text == '{':
                    inside = self.tokens[body:closing(self.tokens, body)]
                    for at in (k + 1 for k, word in enumerate(inside) if word.text == 'return'):
                        for branch in branches(parts(inside[at:], ';')[0]):
                            if len(branch) == 1 and branch[0].kind == 'text':
                                yield self.text(branch[0])

    def brought(self, kind, thing):
        if kind == 'variable':
            return [self.text(t) for t in self.initialiser(thing) if t.kind == 'text']
        if kind == 'returned':
            return list(self.returned(thing))
        return self.argument(thing, int(kind.split()[1]))[0]


@pytest.fixture(scope='module')
def sources():
    return {s.name: s for s in map(Source, sorted([*SRC.rglob('*.c'), *SRC.rglob('*.h')]))}


@pytest.fixture(scope='module')
def texts(sources):
    """Every English text for people, with its places."""
    found = []
    strange = []
    brought = set()
    for source in sources.values():
        for function, number in LOOKED_UP.items():
            texts, others = source.argument(function, number)
            found += texts
            for line, expression in others:
                key = source.folder, expression
                if key in BROUGHT:
                    brought.add(key)
                elif key not in PASSED_ON and key not in ROWS and not expression.startswith('const char *'):
                    strange.append(f'{source.name}:{line}: {function}(... {expression} ...)')
    assert not strange, ('texts that this test cannot follow; give a literal, or say in BROUGHT where they come from:\n' +
                         '\n'.join(strange))
    assert brought == BROUGHT.keys(), f'BROUGHT names what is gone: {BROUGHT.keys() - brought}'
    for (folder, variable), fields in TABLES.items():
        more = [text for s in sources.values() if s.folder == folder for text in s.rows(variable, fields)]
        assert more, f'{folder}: no rows in {variable}'
        found += more
    for folder, kind, thing in {(folder, *origin) for (folder, _), origins in BROUGHT.items() for origin in origins}:
        more = [text for s in sources.values() if s.folder == folder for text in s.brought(kind, thing)]
        assert more, f'{folder}: no text in {thing}'
        found += more
    places = collections.defaultdict(list)
    for t in found:
        if is_text(t.text):
            places[t.text].append(t.place)
    return places


@pytest.fixture(scope='module')
def pairs():
    """English and place to Portuguese, as the table has them."""
    found = []
    for path in sorted((SRC / 'base').glob('tr_pt_*.inc')):
        source = Source(path)
        for arguments in source.calls('TR'):
            assert [len(a) for a in arguments] == [1, 1] and all(a[0].kind == 'text' for a in arguments), \
                f'{source.name}:{arguments[0][0].line}: a row is TR("English", "português")'
            found.append((source.text(arguments[0][0]), arguments[1][0].text))
    return found


def test_every_text_has_its_portuguese(texts, pairs):
    known = {english.text for english, _ in pairs}
    missing = sorted((places[0], text) for text, places in texts.items() if text not in known)
    assert not missing, 'no Portuguese in src/base/tr_pt_*.inc:\n' + '\n'.join(f'{place}: {text!r}' for place, text in missing)


def test_nothing_stale_in_the_table(texts, pairs):
    """tr_pt_job.inc has texts of src/job only."""
    stale = []
    for english, _ in pairs:
        folder = re.match(r'base/tr_pt_(\w+)\.inc:', english.place)[1]
        if not any(place.startswith(folder + '/') for place in texts.get(english.text, [])):
            stale.append(f'{english.place}: src/{folder} has no such text: {english.text!r}')
    assert not stale, '\n'.join(stale)


def test_each_text_is_there_once(pairs):
    count = collections.Counter(english.text for english, _ in pairs)
    twice = [f'{english.place}: {english.text!r}' for english, _ in pairs if count[english.text] > 1]
    assert not twice, '\n'.join(twice)


def test_both_take_the_same_arguments(pairs):
    """And begin and end alike: lines, blanks before a continuation, names of commands and options."""
    wrong = []
    for english, portuguese in pairs:
        for what, pattern in (('arguments', CONVERSION.pattern), ('blanks at the ends', r'^\s+|\s+\Z'), ('lines', r'\n(?= )'),
                              ('options', r'(?<![\w-])--?[a-z][a-z-]*'), ('full stop', r'(?<!\.)[.:]\s*\Z')):
            left, right = re.findall(pattern, english.text), re.findall(pattern, portuguese)
            if what == 'options':
                left, right = sorted(left), sorted(right)
            if left != right:
                wrong.append(f'{english.place}: {what} {left} and {right}: {english.text!r}')
    assert not wrong, '\n'.join(wrong)


def test_help_lines_fit(texts, pairs):
    """Help for people is no wider in Portuguese than a usual line, or than the English is."""
    wide = []
    for english, portuguese in pairs:
        if '\n' in english.text.strip():
            room = max(132, *map(len, english.text.split('\n')))
            wide += [f'{english.place}: {line!r}' for line in portuguese.split('\n') if len(line) > room]
    assert not wide, '\n'.join(wide)


# The finder itself: what it must see, and what it must not take for a text.
FOUND = r'''
/* tr("in a comment") */
#define X(a) do { if (a) \
		tr("in a macro"); } while (0)
#error tr("in a directive")
static const char *s = "tr(\"in a string\")"; // tr("in a line comment")
int f(void) { return err_set(e, g(a, "not this", ')'), "one " "text %" PRId64 " of\n"
                             "several", tr("inside")); }
void g(void) {
    cli_note(cli, x == '"' ? "first" : y ? "second %d" : ("third"), 1);
    fprintf(out, n == 1 ? tr("row") : tr("rows"));
    attr("not a call of tr"); err_wrap(&e, "%s: %d", tr(a ? "x" "y" : name[i].text), 2);
}
static const struct row table[] = { {"a", 0, "help, with a comma"}, [B] = {"b", 'c', NULL}, };
static const struct row other[] = { {.name = "a", .text = "a text"}, {.name = "b"} };
'''


def test_the_finder_finds():
    source = Source(FOUND, 'sample.c')
    assert [t.text for t in source.argument('err_set', 2)[0]] == ['one text %ld of\nseveral']
    assert [t.text for t in source.argument('cli_note', 1)[0]] == ['first', 'second %d', 'third']
    found, others = source.argument('tr', 0)
    assert [t.text for t in found] == ['inside', 'row', 'rows', 'xy', 'in a macro']
    assert [expression for _, expression in others] == ['name[i].text']
    assert [t.text for t in source.rows('table', (2,))] == ['help, with a comma']
    assert [t.text for t in source.rows('other', ('name', 'text'))] == ['a', 'a text', 'b']
    assert source.argument('err_wrap', 1)[0] == [Text('%s: %d', 'sample.c:12')]
    assert not is_text('%s: %d') and is_text('%s em %d')


def test_the_program_speaks_it(pregao):
    """Without such a locale installed; the columns of help stay where they are in English."""
    portuguese = {'LC_MESSAGES': 'pt_BR.UTF-8'}
    for words in ((), ('run',), ('sql',)):
        columns = []
        for env in ({}, portuguese):
            lines = pregao(*words, '--help', env=env).stdout.splitlines()
            rows = [re.match(r'  (?:[a-z]+(?: [a-z]+)?|(?:-\w,|   ) --\S+(?: \S+)?) {2,}(?=\S)', line) for line in lines]
            columns.append([row.end() for row in rows if row])
        assert columns[0] == columns[1] and len(columns[0]) > 8
        assert 'uso:' in '\n'.join(lines) and 'usage:' not in '\n'.join(lines)
    assert 'não existe o comando' in pregao('rnu', env=portuguese, expect=2).stderr
