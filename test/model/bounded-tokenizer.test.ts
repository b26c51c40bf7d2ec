import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readCard } from '../../src/catalogue/card.ts';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { problemOfTokenizer, renderInTime, repeatsRepetition } from '../../src/model/bounded-tokenizer.ts';
import { ChatTemplate } from '../../src/model/chat-template.ts';
import { writeCheckpoint } from '../../src/model/checkpoint.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { TooSlow, withinTime } from '../../src/platform/time-limit.ts';
import { tinyCheckpoint } from './tiny-model.ts';

let folder: string;
let tokenizer: Record<string, unknown>;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'unmask-bounds-'));
  await writeCheckpoint(folder, tinyCheckpoint());
  tokenizer = JSON.parse(await readFile(path.join(folder, 'tokenizer.json'), 'utf8')) as Record<string, unknown>;
});
after(() => rm(folder, { recursive: true }));

/** Reads the tokenizer with some fields changed. */
async function read(changes: object): Promise<Tokenizer> {
  await writeFile(path.join(folder, 'tokenizer.json'), JSON.stringify({ ...tokenizer, ...changes }));
  return Tokenizer.read(folder);
}

const split = (expression: string) => ({
  pre_tokenizer: { type: 'Split', pattern: { Regex: expression }, behavior: 'Isolated', invert: false },
});
const sequence = (...normalizers: object[]) => ({ normalizer: { type: 'Sequence', normalizers } });
const doubling = { type: 'Replace', pattern: { String: 'a' }, content: 'aa' };

describe('a tokenizer from outside', () => {
  it('with expressions of published models is accepted', async () => {
    const published = [
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
      '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|\\p{N}{1,3}',
    ];
    for (const expression of published) assert.ok(!repeatsRepetition(expression), expression);
    assert.deepEqual((await read(split(published[0]!))).encode('1 2'), [5, 3, 6]);
    assert.equal(problemOfTokenizer(sequence({ type: 'Replace', pattern: { String: ' ' }, content: '▁' })), null);
  });

  for (const expression of ['(a+)+$', '(a*)*b', '((a+)b?)+', '(?:\\s+|x)*y', '(a|a+){2,}c', '(.*a){25}'])
    it(`with the expression ${expression} is refused before it is used`, async () => {
      await assert.rejects(read(split(expression)), {
        name: 'UserError',
        message: /cannot be used: an expression repeats a repetition/,
      });
      await assert.rejects(read(sequence({ type: 'Replace', pattern: { Regex: expression }, content: '' })), {
        message: /repeats a repetition/,
      });
    });

  it('with replacements that double a text again and again is refused', async () => {
    await assert.rejects(
      read(sequence(...Array.from({ length: 40 }, () => doubling))),
      /replacements make texts too long/,
    );
    await assert.rejects(
      read(sequence(...Array.from({ length: 5000 }, () => ({ type: 'NFC' })))),
      /more than 1000 steps/,
    );
  });

  it('with a named pipe in place of a file is refused, in every place of the folder', {
    skip: process.platform === 'win32' && 'no named pipes',
  }, async () => {
    for (const name of ['tokenizer.json', 'config.json', 'generation_config.json', 'README.md']) {
      const pipe = await mkdtemp(path.join(tmpdir(), 'unmask-pipe-'));
      await writeCheckpoint(pipe, tinyCheckpoint());
      await rm(path.join(pipe, name), { force: true });
      execFileSync('mkfifo', [path.join(pipe, name)]);
      await assert.rejects(resolveModel(pipe), { name: 'UserError', message: /is not a regular file/ });
      assert.equal((await readCard(pipe)).text, '');
      await rm(pipe, { recursive: true });
    }
  });
});

describe('a chat template from outside', () => {
  const render = (source: string) => ChatTemplate.of({ chat_template: source })!.render('hello');

  it('that does not end is ended, with one sentence', () => {
    const endless = '{% for a in range(100000) %}{% for b in range(100000) %}{% set c = a %}{% endfor %}{% endfor %}';
    assert.throws(() => render(endless), {
      name: 'UserError',
      message: /chat_template fails \(it takes longer than 2 s\)/,
    });
  });

  it('that is too long is refused, and an ordinary one is not', () => {
    assert.throws(() => render('x'.repeat(600_000)), /it is longer than 512 KiB/);
    assert.equal(render('{{ messages[0].content }}!').text, 'hello!');
    assert.equal(
      renderInTime('', () => 'same'),
      'same',
    );
  });
});

it('a card with a deeply nested or a huge header takes no time and has no licence', async () => {
  for (const header of ['['.repeat(60_000), `a: ${'{b: '.repeat(15_000)}`, '- '.repeat(30_000), 'x'.repeat(200_000)]) {
    await writeFile(path.join(folder, 'README.md'), `---\n${header}\n---\n# Title\n`);
    const begin = performance.now();
    const { licence, title } = await readCard(folder);
    assert.deepEqual([licence, title], [null, 'Title']);
    assert.ok(performance.now() - begin < 10_000, 'bounded');
  }
});

it('work that takes too long is ended, also inside a regular expression', () => {
  assert.equal(
    withinTime(1000, () => 7),
    7,
  );
  assert.throws(
    () =>
      withinTime(50, () => {
        for (;;);
      }),
    TooSlow,
  );
  assert.throws(() => withinTime(50, () => /^(a+)+$/.test(`${'a'.repeat(60)}!`)), TooSlow);
  assert.throws(
    () =>
      withinTime(50, () => {
        throw new RangeError('own');
      }),
    RangeError,
  );
});
