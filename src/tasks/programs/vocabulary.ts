import { conditions, operations } from './operations.ts';

/**
 * The pieces of descriptions and code, for a tokenizer with a token for each: words, operators and single digits, each with
 * the space before it, and line breaks with their indentation.
 */
export const programPieces = String.raw`\n *| ?(?:[A-Za-z]+|=>|===|\.\.\.|/\*\*|\*/|[^\sA-Za-z])| +`;

/** The pieces of a text, in order. */
export const piecesOf = (text: string): string[] => text.match(new RegExp(programPieces, 'g')) ?? [];

/** Names of parameters and local variables, as they appear after a space and after punctuation. */
const names = ['a', 'b', 'c', 's', 't', 'xs', 'ys', 'p', 'q', 'u', 'v', 'w', 'x', 'y', 'z'];

/** The parts of descriptions and functions that are not operations. */
const fixedText = `/** Let be If , return . Return : */
export function f(a: number, b: string, c: number[], d: { x: number; y: number }): number {
  const u = a;
  if (a) return b;
  return a;
}
`;

/** All pieces that generated problems and solutions consist of, without duplicates, in a fixed order. */
export function programVocabulary(): string[] {
  const all = [...Object.values(operations).flat(), ...conditions];
  const atoms = [...names, ...'0123456789'];
  const texts = all.flatMap(({ operands, code, words }) =>
    [code, ...words].flatMap((write) =>
      // With spaces and brackets around it, because a piece has the space before it.
      atoms.map((atom) => `(${write(...operands.map(() => atom))}) ${write(...operands.map(() => atom))};`),
    ),
  );
  // A body begins with its indentation.
  const pieces = new Set([fixedText, '  a', ...texts].flatMap(piecesOf));
  const characters = new Set([...pieces].flatMap((piece) => [...piece]));
  return [...new Set([...characters, ...pieces])].sort((one, other) => (one < other ? -1 : 1));
}
