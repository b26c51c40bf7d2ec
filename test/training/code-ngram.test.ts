import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { trainBytePairs } from '../../src/model/byte-pair-training.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { codeNgram } from '../../src/training/code/code-ngram.ts';
import type { SourceFile } from '../../src/training/code/corpus.ts';

const text = Array.from({ length: 60 }, (_, index) => `const value${index} = read(${index * 7});\n`).join('');
const files: SourceFile[] = [{ package: 'p', path: 'a.js', text }];
const tokenizer = new Tokenizer(trainBytePairs([text], 320));
const specials = { eom: 3, mask: 2 };

describe('the n-gram of code', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'unmask-ngram-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('is the same when it is built from files again or loaded from the cache', async () => {
    const lines: string[] = [];
    const made = (cache: string | null) =>
      codeNgram(files, tokenizer, specials, { cache, progress: (l) => lines.push(l) });
    const logits = async (cache: string | null) => {
      const { next } = await (await made(cache)).read({ prefix: 'const value9 =' });
      return next([[], tokenizer.encode(' read('), tokenizer.encode(' read(63);')]);
    };
    const found = await logits(null);
    assert.deepEqual(await logits(folder), found);
    assert.equal((await readdir(folder)).length, 1);
    assert.deepEqual(lines.splice(0), [
      'Encoding 1 file for the n-gram',
      'Counting n-grams',
      'Encoding 1 file for the n-gram',
      'Counting n-grams',
    ]);
    assert.deepEqual(await logits(folder), found);
    assert.deepEqual(lines, ['Counting n-grams'], 'nothing is encoded again');
    const likeliest = found.map((row) => tokenizer.texts[row.indexOf(Math.max(...row))]);
    assert.equal(likeliest[0]?.[0], ' ', 'a space follows an equals sign');
  });

  it('has a separate cache entry for other files or another tokenizer', async () => {
    const progress = () => undefined;
    const other = [{ ...files[0]!, text: `${text}let more = 1;\n` }];
    await codeNgram(other, tokenizer, specials, { cache: folder, progress });
    await codeNgram(files, new Tokenizer(trainBytePairs([text], 300)), specials, { cache: folder, progress });
    assert.equal((await readdir(folder)).length, 3);
  });
});
