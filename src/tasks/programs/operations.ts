/** Types of values in generated programs. Conditions have no type of their own, because only `if` uses them. */
export type ValueType = 'number' | 'string' | 'numbers' | 'point';

export type Point = { readonly x: number; readonly y: number };
export type Value = number | string | readonly number[] | Point;

/** The kind of an operand: a variable of a type, or a constant, which is a small whole number. */
type Operand = ValueType | 'constant' | 'number or constant';

/** An operation of the grammar: how it is written, how it is described, and what it computes. */
export interface Operation {
  readonly name: string;
  readonly operands: readonly Operand[];
  readonly code: (...operands: string[]) => string;
  /** Descriptions in English, all with the same meaning. */
  readonly words: readonly ((...operands: string[]) => string)[];
  // biome-ignore lint/suspicious/noExplicitAny: the operands have the types that `operands` names
  readonly value: (...operands: any[]) => unknown;
}

const sum = (values: readonly number[]) => values.reduce((total, x) => total + x, 0);

/** Operations by the type of their result. */
export const operations: Readonly<Record<ValueType, readonly Operation[]>> = {
  number: [
    {
      name: 'add',
      operands: ['number', 'number or constant'],
      code: (a, b) => `${a} + ${b}`,
      words: [(a, b) => `the sum of ${a} and ${b}`, (a, b) => `${a} plus ${b}`],
      value: (a: number, b: number) => a + b,
    },
    {
      name: 'subtract',
      operands: ['number', 'number or constant'],
      code: (a, b) => `${a} - ${b}`,
      words: [(a, b) => `${a} minus ${b}`, (a, b) => `${b} subtracted from ${a}`],
      value: (a: number, b: number) => a - b,
    },
    {
      name: 'multiply',
      operands: ['number', 'number or constant'],
      code: (a, b) => `${a} * ${b}`,
      words: [(a, b) => `${a} times ${b}`, (a, b) => `the product of ${a} and ${b}`],
      value: (a: number, b: number) => a * b,
    },
    {
      name: 'square',
      operands: ['number'],
      code: (a) => `${a} * ${a}`,
      words: [(a) => `the square of ${a}`, (a) => `${a} squared`],
      value: (a: number) => a * a,
    },
    {
      name: 'larger',
      operands: ['number', 'number or constant'],
      code: (a, b) => `Math.max(${a}, ${b})`,
      words: [(a, b) => `the larger of ${a} and ${b}`, (a, b) => `${a} but at least ${b}`],
      value: (a: number, b: number) => Math.max(a, b),
    },
    {
      name: 'smaller',
      operands: ['number', 'number or constant'],
      code: (a, b) => `Math.min(${a}, ${b})`,
      words: [(a, b) => `the smaller of ${a} and ${b}`, (a, b) => `${a} but at most ${b}`],
      value: (a: number, b: number) => Math.min(a, b),
    },
    {
      name: 'absolute',
      operands: ['number'],
      code: (a) => `Math.abs(${a})`,
      words: [(a) => `the absolute value of ${a}`, (a) => `${a} without its sign`],
      value: (a: number) => Math.abs(a),
    },
    {
      name: 'remainder',
      operands: ['number', 'constant'],
      code: (a, b) => `${a} % ${b}`,
      words: [(a, b) => `the remainder of ${a} divided by ${b}`, (a, b) => `${a} modulo ${b}`],
      value: (a: number, b: number) => a % b,
    },
    {
      name: 'characters',
      operands: ['string'],
      code: (s) => `${s}.length`,
      words: [(s) => `the length of ${s}`, (s) => `the number of characters of ${s}`],
      value: (s: string) => s.length,
    },
    {
      name: 'count',
      operands: ['numbers'],
      code: (xs) => `${xs}.length`,
      words: [(xs) => `the number of elements of ${xs}`, (xs) => `how many elements ${xs} has`],
      value: (xs: readonly number[]) => xs.length,
    },
    {
      name: 'total',
      operands: ['numbers'],
      code: (xs) => `${xs}.reduce((z, x) => z + x, 0)`,
      words: [(xs) => `the total of ${xs}`, (xs) => `the sum of the elements of ${xs}`],
      value: sum,
    },
    {
      name: 'largest',
      operands: ['numbers'],
      code: (xs) => `Math.max(...${xs})`,
      words: [(xs) => `the largest element of ${xs}`, (xs) => `the maximum of ${xs}`],
      value: (xs: readonly number[]) => Math.max(...xs),
    },
    {
      name: 'smallest',
      operands: ['numbers'],
      code: (xs) => `Math.min(...${xs})`,
      words: [(xs) => `the smallest element of ${xs}`, (xs) => `the minimum of ${xs}`],
      value: (xs: readonly number[]) => Math.min(...xs),
    },
    {
      name: 'first',
      operands: ['numbers'],
      code: (xs) => `${xs}[0]`,
      words: [(xs) => `the first element of ${xs}`, (xs) => `the start of ${xs}`],
      value: (xs: readonly number[]) => xs[0],
    },
    {
      name: 'last',
      operands: ['numbers'],
      code: (xs) => `${xs}.at(-1)`,
      words: [(xs) => `the last element of ${xs}`, (xs) => `the end of ${xs}`],
      value: (xs: readonly number[]) => xs.at(-1),
    },
    {
      name: 'index',
      operands: ['numbers', 'number or constant'],
      code: (xs, a) => `${xs}.indexOf(${a})`,
      words: [(xs, a) => `the index of ${a} in ${xs}`, (xs, a) => `where ${a} is in ${xs}`],
      value: (xs: readonly number[], a: number) => xs.indexOf(a),
    },
    {
      name: 'x',
      operands: ['point'],
      code: (p) => `${p}.x`,
      words: [(p) => `the x of ${p}`, (p) => `how far right ${p} is`],
      value: (p: Point) => p.x,
    },
    {
      name: 'y',
      operands: ['point'],
      code: (p) => `${p}.y`,
      words: [(p) => `the y of ${p}`, (p) => `how far up ${p} is`],
      value: (p: Point) => p.y,
    },
  ],
  string: [
    {
      name: 'concatenate',
      operands: ['string', 'string'],
      code: (s, t) => `${s} + ${t}`,
      words: [(s, t) => `${s} followed by ${t}`, (s, t) => `${t} appended to ${s}`],
      value: (s: string, t: string) => s + t,
    },
    {
      name: 'upper',
      operands: ['string'],
      code: (s) => `${s}.toUpperCase()`,
      words: [(s) => `${s} in upper case`, (s) => `${s} in capitals`],
      value: (s: string) => s.toUpperCase(),
    },
    {
      name: 'lower',
      operands: ['string'],
      code: (s) => `${s}.toLowerCase()`,
      words: [(s) => `${s} in lower case`, (s) => `${s} without capitals`],
      value: (s: string) => s.toLowerCase(),
    },
    {
      name: 'repeat',
      operands: ['string', 'constant'],
      code: (s, a) => `${s}.repeat(${a})`,
      words: [(s, a) => `${s} repeated ${a} times`, (s, a) => `${a} copies of ${s}`],
      value: (s: string, a: number) => s.repeat(a),
    },
    {
      name: 'beginning',
      operands: ['string', 'constant'],
      code: (s, a) => `${s}.slice(0, ${a})`,
      words: [(s, a) => `the first ${a} characters of ${s}`, (s, a) => `${s} cut to length ${a}`],
      value: (s: string, a: number) => s.slice(0, a),
    },
    {
      name: 'rest',
      operands: ['string', 'constant'],
      code: (s, a) => `${s}.slice(${a})`,
      words: [(s, a) => `${s} without its first ${a} characters`, (s, a) => `${s} from index ${a}`],
      value: (s: string, a: number) => s.slice(a),
    },
    {
      name: 'text',
      operands: ['number'],
      code: (a) => `String(${a})`,
      words: [(a) => `${a} as a string`, (a) => `${a} written as text`],
      value: (a: number) => String(a),
    },
    {
      name: 'join',
      operands: ['numbers'],
      code: (xs) => `${xs}.join('-')`,
      words: [(xs) => `the elements of ${xs} with dashes between them`, (xs) => `${xs} joined by dashes`],
      value: (xs: readonly number[]) => xs.join('-'),
    },
  ],
  numbers: [
    {
      name: 'append',
      operands: ['numbers', 'number or constant'],
      code: (xs, a) => `[...${xs}, ${a}]`,
      words: [(xs, a) => `${xs} with ${a} at the end`, (xs, a) => `${xs} followed by ${a}`],
      value: (xs: readonly number[], a: number) => [...xs, a],
    },
    {
      name: 'prepend',
      operands: ['number or constant', 'numbers'],
      code: (a, xs) => `[${a}, ...${xs}]`,
      words: [(a, xs) => `${xs} with ${a} at the start`, (a, xs) => `${a} followed by ${xs}`],
      value: (a: number, xs: readonly number[]) => [a, ...xs],
    },
    {
      name: 'chain',
      operands: ['numbers', 'numbers'],
      code: (xs, ys) => `[...${xs}, ...${ys}]`,
      words: [(xs, ys) => `the elements of ${xs} and then of ${ys}`, (xs, ys) => `${xs} and ${ys} in one list`],
      value: (xs: readonly number[], ys: readonly number[]) => [...xs, ...ys],
    },
    {
      name: 'reverse',
      operands: ['numbers'],
      code: (xs) => `${xs}.toReversed()`,
      words: [(xs) => `${xs} in reverse order`, (xs) => `${xs} from the last element to the first`],
      value: (xs: readonly number[]) => [...xs].reverse(),
    },
    {
      name: 'take',
      operands: ['numbers', 'constant'],
      code: (xs, a) => `${xs}.slice(0, ${a})`,
      words: [(xs, a) => `the first ${a} elements of ${xs}`, (xs, a) => `${xs} cut to ${a} elements`],
      value: (xs: readonly number[], a: number) => xs.slice(0, a),
    },
    {
      name: 'drop',
      operands: ['numbers', 'constant'],
      code: (xs, a) => `${xs}.slice(${a})`,
      words: [(xs, a) => `${xs} without its first ${a} elements`, (xs, a) => `the elements of ${xs} from index ${a}`],
      value: (xs: readonly number[], a: number) => xs.slice(a),
    },
    {
      name: 'above',
      operands: ['numbers', 'number or constant'],
      code: (xs, a) => `${xs}.filter((x) => x > ${a})`,
      words: [(xs, a) => `the elements of ${xs} above ${a}`, (xs, a) => `${xs} without elements up to ${a}`],
      value: (xs: readonly number[], a: number) => xs.filter((x) => x > a),
    },
    {
      name: 'below',
      operands: ['numbers', 'number or constant'],
      code: (xs, a) => `${xs}.filter((x) => x < ${a})`,
      words: [(xs, a) => `the elements of ${xs} below ${a}`, (xs, a) => `the elements of ${xs} less than ${a}`],
      value: (xs: readonly number[], a: number) => xs.filter((x) => x < a),
    },
    {
      name: 'add each',
      operands: ['numbers', 'number or constant'],
      code: (xs, a) => `${xs}.map((x) => x + ${a})`,
      words: [(xs, a) => `each element of ${xs} plus ${a}`, (xs, a) => `${xs} with ${a} added to each element`],
      value: (xs: readonly number[], a: number) => xs.map((x) => x + a),
    },
    {
      name: 'multiply each',
      operands: ['numbers', 'number or constant'],
      code: (xs, a) => `${xs}.map((x) => x * ${a})`,
      words: [(xs, a) => `each element of ${xs} times ${a}`, (xs, a) => `${xs} with each element multiplied by ${a}`],
      value: (xs: readonly number[], a: number) => xs.map((x) => x * a),
    },
    {
      name: 'pair',
      operands: ['number', 'number'],
      code: (a, b) => `[${a}, ${b}]`,
      words: [(a, b) => `the list of ${a} and ${b}`, (a, b) => `${a} and ${b} as a list`],
      value: (a: number, b: number) => [a, b],
    },
  ],
  point: [
    {
      name: 'point',
      operands: ['number', 'number'],
      code: (a, b) => `{ x: ${a}, y: ${b} }`,
      words: [(a, b) => `the point with x ${a} and y ${b}`, (a, b) => `the point ${a} and ${b}`],
      value: (x: number, y: number) => ({ x, y }),
    },
    {
      name: 'swap',
      operands: ['point'],
      code: (p) => `{ x: ${p}.y, y: ${p}.x }`,
      words: [(p) => `${p} with x and y swapped`, (p) => `the mirror image of ${p}`],
      value: ({ x, y }: Point) => ({ x: y, y: x }),
    },
    {
      name: 'move right',
      operands: ['point', 'number or constant'],
      code: (p, a) => `{ x: ${p}.x + ${a}, y: ${p}.y }`,
      words: [(p, a) => `${p} moved right by ${a}`, (p, a) => `${p} with ${a} added to its x`],
      value: ({ x, y }: Point, a: number) => ({ x: x + a, y }),
    },
    {
      name: 'move up',
      operands: ['point', 'number or constant'],
      code: (p, a) => `{ x: ${p}.x, y: ${p}.y + ${a} }`,
      words: [(p, a) => `${p} moved up by ${a}`, (p, a) => `${p} with ${a} added to its y`],
      value: ({ x, y }: Point, a: number) => ({ x, y: y + a }),
    },
  ],
};

/** Conditions of an `if`. */
export const conditions: readonly Operation[] = [
  {
    name: 'less',
    operands: ['number', 'number or constant'],
    code: (a, b) => `${a} < ${b}`,
    words: [(a, b) => `${a} is less than ${b}`, (a, b) => `${a} is below ${b}`],
    value: (a: number, b: number) => a < b,
  },
  {
    name: 'greater',
    operands: ['number', 'number or constant'],
    code: (a, b) => `${a} > ${b}`,
    words: [(a, b) => `${a} is greater than ${b}`, (a, b) => `${a} is above ${b}`],
    value: (a: number, b: number) => a > b,
  },
  {
    name: 'equal',
    operands: ['number', 'number or constant'],
    code: (a, b) => `${a} === ${b}`,
    words: [(a, b) => `${a} equals ${b}`, (a, b) => `${a} is the same as ${b}`],
    value: (a: number, b: number) => a === b,
  },
  {
    name: 'even',
    operands: ['number'],
    code: (a) => `${a} % 2 === 0`,
    words: [(a) => `${a} is even`, (a) => `2 divides ${a}`],
    value: (a: number) => a % 2 === 0,
  },
  {
    name: 'long text',
    operands: ['string', 'constant'],
    code: (s, a) => `${s}.length > ${a}`,
    words: [(s, a) => `${s} is longer than ${a}`, (s, a) => `${s} has more than ${a} characters`],
    value: (s: string, a: number) => s.length > a,
  },
  {
    name: 'begins',
    operands: ['string', 'string'],
    code: (s, t) => `${s}.startsWith(${t})`,
    words: [(s, t) => `${s} starts with ${t}`, (s, t) => `${t} is the start of ${s}`],
    value: (s: string, t: string) => s.startsWith(t),
  },
  {
    name: 'long list',
    operands: ['numbers', 'constant'],
    code: (xs, a) => `${xs}.length > ${a}`,
    words: [(xs, a) => `${xs} has more than ${a} elements`, (xs, a) => `${xs} is longer than ${a}`],
    value: (xs: readonly number[], a: number) => xs.length > a,
  },
  {
    name: 'contains',
    operands: ['numbers', 'number or constant'],
    code: (xs, a) => `${xs}.includes(${a})`,
    words: [(xs, a) => `${xs} contains ${a}`, (xs, a) => `${a} is in ${xs}`],
    value: (xs: readonly number[], a: number) => xs.includes(a),
  },
];
