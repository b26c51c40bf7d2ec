import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { HostTensor } from '../../graph/tensor.ts';
import { Ngram } from '../../infilling/ngram.ts';
import { NgramWriter } from '../../infilling/ngram-model.ts';
import type { SpecialTokens } from '../../model/config.ts';
import { readSafetensors, writeSafetensors } from '../../model/safetensors.ts';
import type { Tokenizer } from '../../model/tokenizer.ts';
import { count } from '../../platform/amounts.ts';
import { Random } from '../../platform/random.ts';
import type { SourceFile } from './corpus.ts';
import { GapExamples } from './gap-examples.ts';

/**
 * Length of the longest n-gram. With one token less, held-out text needs 1 % more bits; with one more, hardly fewer.
 */
const order = 6;

/** One middle is drawn per this many characters of text, up to a maximum. */
const charactersPerMiddle = 300;
const mostMiddles = 100_000;

export interface NgramCache {
  /** Folder in which the encoded tokens are cached; null: no cache. */
  readonly cache: string | null;
  readonly progress: (line: string) => void;
}

/**
 * The n-gram baseline for code models, counted on source files: whole files for the next token, and gaps drawn as in
 * training for the end of a middle.
 */
export async function codeNgram(
  files: readonly SourceFile[],
  tokenizer: Tokenizer,
  { eom, mask }: Required<Pick<SpecialTokens, 'eom' | 'mask'>>,
  { cache, progress }: NgramCache,
): Promise<NgramWriter> {
  const vocabulary = tokenizer.largestId + 1;
  const kept = cache && path.join(cache, `${digest(files, tokenizer, eom)}.safetensors`);
  let tensors: ReadonlyMap<string, HostTensor>;
  if (kept && (await stat(kept).catch(() => undefined))) tensors = await readSafetensors(kept);
  else {
    progress(`Encoding ${count(files.length, 'file')} for the n-gram`);
    tensors = encode(files, tokenizer, eom, vocabulary);
    if (kept) await writeSafetensors(kept, tensors);
  }
  progress('Counting n-grams');
  return new NgramWriter(
    tokenizer,
    { eom, mask },
    {
      text: new Ngram(textsOf(tensors, 'files'), { vocabulary, order }),
      ends: new Ngram(textsOf(tensors, 'middles'), { vocabulary, order, contextLength: order - 1 }),
    },
  );
}

/** The name depends on the files, the tokenizer and the way of drawing middles. */
function digest(files: readonly SourceFile[], tokenizer: Tokenizer, eom: number): string {
  const hash = createHash('sha256').update(
    JSON.stringify([tokenizer.files.tokenizer, eom, order, charactersPerMiddle, mostMiddles]),
  );
  for (const { text } of files) hash.update(`${text.length} `).update(text);
  return hash.digest('hex').slice(0, 16);
}

function encode(files: readonly SourceFile[], tokenizer: Tokenizer, eom: number, border: number) {
  const random = new Random(0, 'middles of the n-gram');
  const examples = new GapExamples(files, tokenizer, eom);
  const characters = files.reduce((sum, { text }) => sum + text.length, 0);
  const draws = Math.min(mostMiddles, Math.ceil(characters / charactersPerMiddle));
  return new Map([
    ...tensorsOf(
      'files',
      files.map(({ text }) => tokenizer.encode(text)),
    ),
    ...tensorsOf(
      'middles',
      Array.from({ length: draws }, () => examples.middle(order - 1, border, random)),
    ),
  ]);
}

function tensorsOf(name: string, texts: readonly (readonly number[])[]): [string, HostTensor][] {
  const lengths = Int32Array.from(texts, ({ length }) => length);
  const tokens = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const text of texts) {
    tokens.set(text, at);
    at += text.length;
  }
  return [
    [`${name}.lengths`, { shape: [lengths.length], data: lengths }],
    [`${name}.tokens`, { shape: [tokens.length], data: tokens }],
  ];
}

function* textsOf(tensors: ReadonlyMap<string, HostTensor>, name: string): Generator<ArrayLike<number>> {
  const tokens = tensors.get(`${name}.tokens`)!.data;
  let at = 0;
  for (const length of tensors.get(`${name}.lengths`)!.data) {
    yield tokens.subarray(at, at + length);
    at += length;
  }
}
