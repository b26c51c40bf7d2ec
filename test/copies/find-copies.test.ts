import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CopyIndex } from '../../src/copies/copy-index.ts';
import { type CopyQuery, findCopies } from '../../src/copies/find-copies.ts';
import { flatPrefix, flatten } from '../../src/copies/flat-text.ts';
import { buildSegment, groupsOf, longestMatches } from '../../src/copies/segment.ts';
import { sortContexts } from '../../src/copies/sort-contexts.ts';
import { Random } from '../../src/platform/random.ts';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function index(files: Readonly<Record<string, string>>): CopyIndex {
  const made = new CopyIndex();
  for (const group of groupsOf(Object.entries(files).map(([name, text]) => ({ name, text }))))
    made.add(buildSegment(group));
  return made;
}

/** A query at the `|` of a document. */
function at(document: string, changes: Partial<CopyQuery> = {}): CopyQuery {
  const [prefix, suffix] = document.split('|') as [string, string];
  return { name: '/w/open.ts', prefix, suffix, singleLine: true, isNear: () => false, ...changes };
}

const first = (made: CopyIndex, query: CopyQuery) => findCopies(made, query)[0];

describe('a text without indentation', () => {
  it('keeps lines with text, and says where each line was', () => {
    const { bytes, lineStarts, indents } = flatten('a {\n\n  bé;  \n\t\tc\n}');
    assert.equal(text(bytes), 'a {\nbé;\nc\n}\n');
    assert.deepEqual([...lineStarts], [0, 4, 4, 9, 11]);
    assert.deepEqual([...indents], [0, 0, 2, 2, 0]);
  });

  it('before a cursor ends with a line break at the beginning of a line', () => {
    assert.equal(text(flatPrefix('a {\r\n    ', 100)), 'a {\n');
    assert.equal(text(flatPrefix('a {\n    b.', 100)), 'a {\nb.');
    assert.equal(text(flatPrefix('one line', 100)), 'one line');
    assert.equal(text(flatPrefix('', 100)), '');
  });
});

it('positions are sorted by the text before them, read backwards', () => {
  const random = new Random(0, 'contexts');
  const words = ['const a', ' = ', 'call(', ');\n', 'é', 'return ', 'aaaaaaaaaaaaaaaaaaaaaaaa', '\0'];
  const bytes = new TextEncoder().encode(Array.from({ length: 2_000 }, () => random.pick(words)).join(''));
  const order = sortContexts(bytes);
  const context = (position: number) =>
    Array.from({ length: 36 }, (_, back) => Math.min(127, bytes[position - 1 - back] ?? 0));
  const isBefore = (one: number[], other: number[]) => {
    const place = one.findIndex((value, index) => value !== other[index]);
    return place === -1 || one[place]! < other[place]!;
  };
  const wrong = [...order.slice(1)].filter((position, place) => !isBefore(context(order[place]!), context(position)));
  assert.deepEqual(wrong, []);
  const begins = bytes.filter((byte) => byte !== 0 && (byte & 0xc0) !== 0x80).length;
  assert.equal(new Set(order).size, begins, 'every character has one position');
});

it('the longest matches come first, whatever is around them', () => {
  const segment = buildSegment([
    { name: 'a.ts', text: 'x(value.length);\ny(value.size);\nw(value.length);\nz.size;\n' },
  ]);
  const found = longestMatches(segment, new TextEncoder().encode('w(value.'), 3, 3);
  assert.deepEqual(
    found.map(({ length }) => length),
    [8, 7, 7],
  );
  assert.equal(text(segment.bytes.subarray(found[0]!.position)).slice(0, 6), 'length');
});

describe('copies', () => {
  const files = {
    '/w/a.ts': 'export function a(user: User) {\n  if (user.name === undefined) throw new Error("no name");\n}\n',
    '/w/b.ts': 'function b(user: User) {\n    if (user.name === undefined) return null;\n}\n',
    '/w/c.ts': 'function c(user: User) {\n\tif (user.name === undefined) return null;\n}\n',
    '/w/d.py': 'if (user.name === undefined) pass\n',
  };

  it('are ranked by what supports them, and name their best place', () => {
    const [one, two, ...others] = findCopies(
      index(files),
      at('function d(user: User) {\n  if (user.name === undefined) |\n}\n'),
    );
    assert.deepEqual([one!.text, one!.count, one!.files, one!.source.line], ['return null;', 2, 2, 2]);
    assert.deepEqual([two!.text, two!.source], ['throw new Error("no name");', { name: '/w/a.ts', line: 2 }]);
    assert.deepEqual(others, [], 'another language has another index');
    assert.ok(one!.share > two!.share && one!.matched >= two!.matched);
  });

  it('know what follows the gap, and which files are near', () => {
    const made = index({ '/w/a.ts': 'open(a);\nread(b);\n', '/w/b.ts': 'open(c);\nwrite(d);\n' });
    const copies = findCopies(made, at('open(|\nwrite(d);\n', { isNear: (name) => name === '/w/b.ts' }));
    const [a, c] = ['a);', 'c);'].map((text) => copies.find((copy) => copy.text === text)!);
    assert.deepEqual([a!.following, c!.following, a!.isNear, c!.isNear], [0, 10, false, true]);
  });

  it('end before the text after the cursor on its line', () => {
    const made = index({ '/w/a.ts': 'call(one, two);\n' });
    assert.equal(first(made, at('call(|)\n'))!.text, 'one, two');
    assert.equal(first(made, at('call(|);\n'))!.text, 'one, two');
    assert.equal(first(made, at('call(|) + 1\n')), undefined);
  });

  it('come from the document as it is, not from its file', () => {
    const made = index({ '/w/open.ts': 'const before = saved(1);\n' });
    const copy = first(made, at('let a;\n\nconst before = edited(2);\nlet b;\nconst before = |\n'));
    assert.deepEqual([copy!.text, copy!.source, copy!.distance], ['edited(2);', { name: '/w/open.ts', line: 3 }, 2]);
    assert.equal(first(made, at('const before = |\n')), undefined, 'the line of the cursor is no copy');
    assert.equal(first(made, at('const before = |\nx;\nconst before = later(3);\n'))!.source.line, 3);
  });

  it('have several lines up to the end of their block, indented as the cursor is', () => {
    const made = index({
      '/w/a.ts':
        'class A {\n  try() {\n    try {\n      run();\n\n      end();\n    } catch {\n      fail();\n    }\n    after();\n  }\n}\n',
    });
    const several = at('function f() {\n  try {|\n', { singleLine: false });
    assert.equal(first(made, several)!.text, '\n    run();\n\n    end();\n  } catch {');
    const stopped = at('function f() {\n  try {|\n    end();\n', { singleLine: false });
    assert.equal(first(made, stopped)!.text, '\n    run();');
    assert.equal(first(made, at('try() {\ntry {\nru|\n'))!.text, 'n();');
  });

  it('follow a text that is replaced or removed', () => {
    const made = index({ '/w/a.ts': 'value = first();\n', '/w/b.ts': 'nothing;\n' });
    made.add(buildSegment([{ name: '/w/a.ts', text: 'value = second();\n' }]));
    const texts = () => findCopies(made, at('value = |\n')).map((copy) => copy.text);
    assert.deepEqual(texts(), ['second();']);
    assert.deepEqual([made.size.files, made.size.segments], [2, 2]);
    made.remove('/w/a.ts');
    assert.deepEqual(texts(), []);
    made.remove('/w/b.ts');
    assert.deepEqual(made.size, { files: 0, characters: 0, bytes: 0, segments: 0 });
  });

  it('are merged once there are many small segments', () => {
    const made = new CopyIndex();
    for (let file = 0; file < 24; file++) {
      assert.deepEqual(made.fragmented(), []);
      made.add(buildSegment([{ name: `/w/${file}.ts`, text: `value${file} = ${file};\n` }]));
    }
    assert.equal(made.fragmented().length, 24);
  });

  it('know all lines with a word in other files of the family', () => {
    const made = index({
      '/w/a.ts': "import { run } from './run';\n  run();\n",
      '/w/b.ts': 'rerun(1);\nlet run = 1;',
      '/w/c.py': 'run()\n',
      '/w/open.ts': 'run();\n',
    });
    const lines = made.linesWith('/w/open.ts', 'run').map(({ file, line }) => `${file}: ${line}`);
    assert.deepEqual(lines.sort(), [
      "/w/a.ts: import { run } from './run';",
      '/w/a.ts: run();',
      '/w/b.ts: let run = 1;',
      '/w/b.ts: rerun(1);',
    ]);
    assert.deepEqual(made.linesWith('/w/open.ts', 'absent'), []);
  });

  it('survive texts that are odd', () => {
    const made = index({
      '/w/empty.ts': '',
      '/w/blank.ts': '\n  \n',
      '/w/odd.ts': '\uD800 = broken\0text;\n\u{1F600} = emoji("\u{1F600}");\n',
      '/w/long.ts': `${'a = 1;\n'.repeat(20_000)}`,
    });
    const texts = findCopies(made, at('\u{1F600} = |\n')).map((copy) => copy.text);
    assert.ok(texts.includes('emoji("\u{1F600}");'));
    assert.equal(first(made, at('b;\na = |\n'))!.text, '1;');
    assert.deepEqual(findCopies(made, at('|')), []);
    assert.deepEqual(findCopies(new CopyIndex(), at('a|\n')), []);
  });
});
