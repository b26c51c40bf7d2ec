import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32c, maskedCrc32c } from '../../src/logging/crc32c.ts';
import { sampleSummaries } from '../../src/logging/run-summaries.ts';
import { fileStart, restartAt, summaryRecord } from '../../src/logging/tfevents.ts';
import type { SampleRecord } from '../../src/protocol/sample.ts';
import { readTfevents, recordsOf, slowCrc32c } from './read-tfevents.ts';

describe('checksums', () => {
  it('are those of RFC 3720, and masked as TFRecord files have them', () => {
    const hex = (bytes: Uint8Array) => crc32c(bytes).toString(16);
    assert.equal(hex(new Uint8Array(32)), '8a9136aa');
    assert.equal(hex(new Uint8Array(32).fill(0xff)), '62a8ab43');
    assert.equal(hex(Uint8Array.from({ length: 32 }, (_, index) => index)), '46dd794e');
    assert.equal(hex(Buffer.from('123456789')), 'e3069283');
    const text = Buffer.from('brain.Event:2');
    assert.equal(crc32c(text), slowCrc32c(text));
    // The mask of crc 0 is the constant; the empty input has that checksum.
    assert.equal(maskedCrc32c(new Uint8Array(0)), 0xa282ead8);
  });
});

describe('an event file', () => {
  it('starts as every file of TensorBoard does, byte by byte', () => {
    // wall_time (field 1, double) 1.5 and file_version (field 3): the content has 24 bytes.
    const content = Buffer.from('09000000000000f83f1a0d627261696e2e4576656e743a32', 'hex');
    assert.deepEqual(recordsOf(fileStart(1.5)), [content]);
    assert.equal(fileStart(1.5).length, 16 + 24);
  });

  it('holds scalars, texts and histograms', () => {
    const file = Buffer.concat([
      fileStart(1),
      restartAt(2, 0),
      summaryRecord(3, 7, [
        { tag: 'train/loss', scalar: -0.5 },
        { tag: 'zero', scalar: 0 },
        { tag: 'text', text: 'ä' },
        { tag: 'values', values: [0, 0.5, 1, 1] },
        { tag: 'same', values: [2, 2] },
      ]),
      summaryRecord(4, 2 ** 31, [{ tag: 'train/loss', scalar: 0.1 }]),
    ]);
    const { version, restarts, times, summaries } = readTfevents(file);
    assert.deepEqual([version, restarts, times], ['brain.Event:2', 1, [1, 2, 3, 4]]);
    const [loss, zero, text, values, same, last] = summaries;
    assert.deepEqual(loss, { step: 7, tag: 'train/loss', scalar: -0.5 });
    assert.deepEqual(zero, { step: 7, tag: 'zero', scalar: 0 });
    assert.deepEqual(text, { step: 7, tag: 'text', text: 'ä' });
    const { num, sum, counts } = values!.histogram!;
    assert.deepEqual([num, sum, counts.length], [4, 2.5, 30]);
    assert.deepEqual([counts[0], counts[15], counts[29]], [1, 1, 2]);
    assert.deepEqual(same!.histogram, { num: 2, sum: 4, counts: [2] });
    assert.deepEqual(last, { step: 2 ** 31, tag: 'train/loss', scalar: Math.fround(0.1) });
  });

  it('is noticed if a bit of it flips', () => {
    const file = Buffer.from(fileStart(1));
    for (const at of [0, 9, 14, file.length - 1]) {
      const damaged = Buffer.from(file);
      damaged[at] = (damaged[at] as number) ^ 1;
      assert.throws(() => recordsOf(damaged));
    }
  });
});

describe('completions', () => {
  it('are shown as text in which nothing is markup, and their numbers as distributions', () => {
    const sample = (completion: string, total: number): SampleRecord => ({
      ...{ prompt: 'a ``` b', completion, rewards: { format: 0.25, total }, advantage: total - 0.5 },
      ...{ policyVersion: 0, seed: 1, tokens: [1, 2], revealedAt: [0, 1], confidence: [0.5, 1] },
    });
    const samples = ['one', 'x'.repeat(9_000), '<b>', '', 'five'].map((text, index) => sample(text, index));
    const summaries = sampleSummaries(samples);
    const [first] = summaries;
    assert.ok(first && 'text' in first && first.tag === 'train/completions');
    assert.match(first.text, /^format 0\.25, total 0, advantage -0\.5\n\nprompt\n\n````\na ``` b\n````/);
    assert.ok(first.text.includes(`${'x'.repeat(4_000)}…`) && !first.text.includes('five'));
    assert.deepEqual(
      summaries.slice(1).map((one) => [one.tag, 'values' in one && one.values.length]),
      [
        ['train/rewards/format', 5],
        ['train/rewards/total', 5],
        ['train/advantages', 5],
        ['train/completions/characters', 5],
        ['train/completions/confidence', 10],
      ],
    );
    assert.deepEqual(sampleSummaries([]), []);
  });
});
