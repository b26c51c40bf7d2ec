import type { TestedFunction } from './tested-function.ts';

/**
 * What identifies a function when functions are split into training, validation and test: its file and name, which stay
 * while its text changes, and its text, so that copies of one function stay together.
 */
export const functionKeys = ({
  file,
  function: name,
  body,
}: Pick<TestedFunction, 'file' | 'function' | 'body'>): readonly [string, string] => [
  functionNameKey(file, name),
  `text ${body.replace(/\s+/g, ' ').trim()}`,
];

const functionNameKey = (file: string, name: string): string => `function ${JSON.stringify([file, name])}`;
