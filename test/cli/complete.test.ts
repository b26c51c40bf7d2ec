import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { writeCheckpoint } from '../../src/model/checkpoint.ts';
import type { Frame } from '../../src/protocol/sample.ts';
import { tinyCheckpoint } from '../model/tiny-model.ts';
import { document, enterHome, refusal, unmask } from './unmask.ts';

let leave: () => Promise<void>;
before(async () => {
  let home: string;
  ({ home, leave } = await enterHome());
  const models = path.join(home, 'models');
  await writeCheckpoint(
    path.join(models, 'tiny-code'),
    tinyCheckpoint({ attention: 'prefix-lm', eom_token_id: 3, max_position_embeddings: 128 }),
  );
  await writeCheckpoint(path.join(models, 'no-code'), tinyCheckpoint());
  await writeFile('before.ts', 'const total = ');
  await writeFile('behind.ts', ';\n');
  await writeFile(
    'noise.bin',
    Uint8Array.from({ length: 3000 }, (_, index) => (index * 167 + 13) % 256),
  );
});
after(() => leave());

const complete = (before: string) => [
  ...['complete', '--prefix-file', before, '--suffix-file', 'behind.ts', '--model', 'tiny-code'],
  ...['--engine', 'onnx', '--device', 'cpu'],
];

describe('unmask complete', () => {
  it('prints the documented fields, the same for the same seed', async () => {
    const found = await document(complete('before.ts'));
    assert.deepEqual(Object.keys(found), ['text', 'confidence', 'forwards', 'seconds', 'discarded_by']);
    assert.ok(found.forwards >= 1 && found.confidence > 0 && found.confidence <= 1 && found.seconds > 0);
    const again = await document(complete('before.ts'));
    assert.deepEqual([again.text, again.forwards], [found.text, found.forwards]);
  });

  it('shows every denoising step on request, each of which reveals a token', async () => {
    const { frames, forwards } = await document([...complete('before.ts'), '--frames']);
    // The steps of the shown alternative; others may have taken longer.
    assert.ok(frames.length >= 1 && frames.length <= forwards);
    const masked = frames.map(({ tokens }: Frame) => tokens.filter((token) => token === null).length);
    assert.deepEqual(
      masked,
      masked.toSorted((a: number, b: number) => b - a),
    );
    assert.equal(new Set(masked).size, masked.length);
    // A low-confidence alternative is abandoned after eight tokens at the earliest; every other one is filled.
    const { tokens } = frames.at(-1) as Frame;
    const left = masked.at(-1) as number;
    assert.ok(left === 0 || tokens.length - left >= 8, masked.join());
  });

  it('without --json prints each step as a line before the completion', async () => {
    const { frames, text } = await document([...complete('before.ts'), '--frames']);
    const { stdout } = await unmask([...complete('before.ts'), '--frames']);
    const lines = stdout.split('\n');
    const steps = lines.filter((line) => /^ {2}step +\d+ {2}/.test(line));
    assert.equal(steps.length, frames.length);
    assert.deepEqual(lines.slice(0, steps.length), steps);
    assert.ok(stdout.endsWith(`${text}\n`));
  });

  it('takes the language from the name of the file, and says if --language has no grammar', async () => {
    const named = await unmask(complete('before.ts'));
    const given = await unmask([...complete('before.ts'), '--language', 'typescript']);
    assert.deepEqual([named.stdout, named.stderr], [given.stdout, given.stderr]);
    const { code, stderr } = await unmask([...complete('before.ts'), '--language', 'ts']);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^There is no grammar for --language ts, so syntax errors of completions are not counted\.$/m);
  });

  it('reports why an editor would not show it: a model with random weights has low confidence', async () => {
    const { code, stderr } = await unmask(complete('before.ts'));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /An editor would not show this completion: (low confidence|empty|repeats itself)\./);
  });

  it('accepts files that are not text, and reports unreadable files and unsuitable models', async () => {
    assert.equal(typeof (await document(complete('noise.bin'))).text, 'string');
    assert.match(await refusal(complete('nowhere.ts'), 2), /^--prefix-file nowhere\.ts cannot be read/);
    const other = [...complete('before.ts'), '--model', 'no-code'];
    assert.match(await refusal(other, 1), /was not trained to complete code/);
  });
});
