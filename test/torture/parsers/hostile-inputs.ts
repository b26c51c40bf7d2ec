import fc from 'fast-check';

/** Texts that parsers have stumbled over, and pieces of the formats. */
const pieces = [
  ...[
    '',
    '\0',
    '\r',
    '\n',
    '\r\n',
    '\u2028',
    '\u202e',
    '\ufeff',
    '\ud800',
    '\u001b[2J',
    '"',
    "'",
    '`',
    '\\',
    ',',
    ';',
    '#',
    '%',
    '?',
  ],
  ...[
    '{',
    '}',
    '[',
    ']',
    '(',
    ')',
    '{}',
    '[]',
    '{{',
    '}}',
    '{%',
    '%}',
    '{{ {{',
    '$',
    '$$',
    '^',
    '_',
    '&',
    '~~~',
    '```',
  ],
  ...[
    'null',
    'true',
    'NaN',
    'Infinity',
    '-0',
    '1e400',
    '-1',
    '0.5',
    '1e-400',
    '9007199254740993',
    '18446744073709551616',
  ],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', 'then'],
  ...[
    '\\frac',
    '\\frac{',
    '\\sqrt',
    '\\sqrt[',
    '\\boxed{',
    '\\left(',
    '\\right',
    '\\begin{pmatrix}',
    '\\text{',
    '\\cdot',
    '\\pm',
  ],
  ...[
    '<answer>',
    '</answer>',
    '<reasoning>',
    '####',
    '**',
    '//',
    '1/0',
    '0/0',
    '2**1000000000',
    '9**9**9',
    '((((',
    '))))',
  ],
  ...['---\n', '- - - -', '&a [*a]', '*a', '<<: *a', '!!js/function', '? :', '|\n', '>-', 'a: b: c'],
  ...['(a+)+$', '(a|a)*b', '(?=', '[', '\\p{L}', '(?<!a)', 'a{1000000}', '|'],
  ...['PAR1', 'GGUF', 'F32', 'BF16', 'data_offsets', 'shape', '1f8b', 'PK\x03\x04'],
];

/** Values that a field of a record does not expect. */
const odd: readonly unknown[] = [
  ...[null, true, false, 0, -1, 0.5, 1e300, 2 ** 31, 2 ** 53, -(2 ** 63), '', 'x', '\0', '../../etc/passwd', '\u202e'],
  ...[[], {}, [null], [[]], { a: null }, { __proto__: null }, { length: -1 }, Array(100).fill(0), 'a'.repeat(10_000)],
];

/** Long inputs in which a parser's time or stack could grow faster than their length. */
export const longInputs: readonly Buffer[] = [
  ...[
    '[',
    '{"a":',
    '(',
    '((1+',
    '-',
    '1+',
    '{{',
    '{% if a %}',
    '\\frac{',
    '\\sqrt{',
    '\\boxed{',
    '- ',
    '? ',
    '[[a]: ',
    'a: {',
    '> ',
  ].map((piece) => piece.repeat(20_000)),
  ...[
    'a',
    '1',
    ' ',
    '\n',
    '"',
    '\\',
    '```\n',
    '#### 1\n',
    '<answer>',
    'a,b\n',
    '{"a":1}\n',
    '1 ',
    '1,',
    '$',
    '\0',
    '\u0300',
  ].map(
    // Each line is a row, which costs a message.
    (piece) => piece.repeat(piece.endsWith('\n') ? 1_000 : 60_000),
  ),
  `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
  `${'('.repeat(5_000)}1${')'.repeat(5_000)}`,
  `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`,
  `---\n${Array.from({ length: 3_000 }, (_, depth) => `${' '.repeat(depth % 1_000)}a:`).join('\n')}\n---\n`,
  `---\na: ${'['.repeat(3_000)}${']'.repeat(3_000)}\n---\n`,
  `${'\\frac{1}{'.repeat(3_000)}2${'}'.repeat(3_000)}`,
  `${'2^{'.repeat(3_000)}2${'}'.repeat(3_000)}`,
  `9${'**9'.repeat(500)}`,
  `{% for a in range(1000000000) %}x{% endfor %}`,
  `{% for a in [1,2,3] %}{% for b in range(99999999) %}{% endfor %}{% endfor %}`,
  `{{ 'a' * 1000000000 }}`,
].map((text) => Buffer.from(text));

/** One change of an input: bytes, digits, pieces of text, or a field of JSON. */
function change(example: Buffer): fc.Arbitrary<Buffer> {
  const at = fc.nat({ max: Math.max(0, example.length - 1) });
  const spliced = (from: number, to: number, piece: Buffer) =>
    Buffer.concat([example.subarray(0, from), piece, example.subarray(to)]);
  const piece = fc.oneof(
    fc.constantFrom(...pieces).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
    fc.string({ unit: 'binary', maxLength: 20 }).map((text) => Buffer.from(text)),
  );
  return fc.oneof(
    fc.tuple(at, fc.nat({ max: 255 })).map(([index, byte]) => spliced(index, index + 1, Buffer.from([byte]))),
    at.map((length) => example.subarray(0, length)),
    fc.tuple(at, piece).map(([index, inserted]) => spliced(index, index, inserted)),
    fc.tuple(at, at, piece).map(([a, b, inserted]) => spliced(Math.min(a, b), Math.max(a, b), inserted)),
    fc.tuple(at, at, at).map(([a, b, to]) => spliced(to, to, example.subarray(Math.min(a, b), Math.max(a, b)))),
    fc
      .tuple(fc.nat(), fc.constantFrom('0', '-1', '1e300', '99999999999999999999', '9007199254740991', ''))
      .map(([index, number]) => otherNumber(example, index, number)),
    fc.infiniteStream(fc.nat({ max: 1_000 })).map((stream) => otherField(example, stream)),
  );
}

function otherNumber(example: Buffer, index: number, number: string): Buffer {
  const text = example.toString('latin1');
  const found = [...text.matchAll(/\d+/g)];
  if (found.length === 0) return example;
  const { index: at, 0: old } = found[index % found.length]!;
  return Buffer.from(text.slice(0, at) + number + text.slice(at + old.length), 'latin1');
}

/** Replaces or removes a value of a JSON document, or of one of its lines, at any depth. */
function otherField(example: Buffer, stream: Iterator<number>): Buffer {
  const next = (bound: number): number => stream.next().value % bound;
  const lines = example.toString('utf8').split('\n');
  const index = next(lines.length);
  const changed = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null || next(6) === 0) return odd[next(odd.length)];
    const keys = Object.keys(value);
    if (keys.length === 0) return odd[next(odd.length)];
    const key = keys[next(keys.length)]!;
    const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
    if (next(8) === 0) delete copy[key];
    else copy[key] = changed(copy[key]);
    return copy;
  };
  for (const [whole, part] of [
    [true, example.toString('utf8')],
    [false, lines[index]!],
  ] as const) {
    try {
      const text = JSON.stringify(changed(JSON.parse(part))) ?? 'undefined';
      return Buffer.from(whole ? text : lines.with(index, text).join('\n'));
    } catch {
      // Not JSON as a whole, or not in this line.
    }
  }
  return example;
}

/** Inputs for a parser: changed examples, texts of pieces, JSON, and random bytes. */
export function hostileInputs(examples: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const changed = fc.constantFrom(...examples).chain(change);
  return fc.oneof(
    { weight: 5, arbitrary: changed },
    { weight: 2, arbitrary: changed.chain(change) },
    {
      weight: 1,
      arbitrary: fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((all) => Buffer.from(all.join(''))),
    },
    { weight: 1, arbitrary: fc.json().map((text) => Buffer.from(text)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)) },
  );
}
