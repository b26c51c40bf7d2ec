import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { largestRank, loraTargets } from '../../src/model/lora.ts';
import { precisions } from '../../src/model/precision.ts';
import { machineMemory } from '../../src/platform/machine-memory.ts';
import { activationBytes, assertFits, memoryNeed, rowsThatFit } from '../../src/training/memory.ts';
import { eightBillion } from '../model/published-shapes.ts';
import { tinyCheckpoint } from '../model/tiny-model.ts';

const { config } = tinyCheckpoint();

describe('rows that fit into memory', () => {
  it('are many where texts are short, few where they are long, and one at least', () => {
    assert.ok(rowsThatFit(config, { length: 40, answer: 16 }) > 384);
    const code = { ...config, num_hidden_layers: 4, num_attention_heads: 8, hidden_size: 256, intermediate_size: 704 };
    const long = { length: 1000, answer: 256 };
    const rows = rowsThatFit({ ...code, vocab_size: 4096 }, long);
    assert.ok(rows >= 2 && rows <= 8, `${rows}`);
    assert.equal(rowsThatFit({ ...code, num_hidden_layers: 400 }, long), 1);
  });

  it('are fewer the longer a text is, or what is predicted of it', () => {
    const bytes = activationBytes(config, { length: 64, answer: 16 });
    assert.ok(activationBytes(config, { length: 128, answer: 16 }) > bytes);
    assert.ok(activationBytes(config, { length: 64, answer: 32 }) > bytes);
  });
});

describe('what a run takes of memory', () => {
  const gib = 2 ** 30;
  const large = { ...config, ...eightBillion };
  const plan = { row: { length: 456, answer: 256 }, rows: 12 };
  const adapter = { rank: 128, alpha: 64, targets: loraTargets };
  const bytes = (precision: (typeof precisions)[number]) =>
    memoryNeed(large, { ...plan, adapter, precision }).about / gib;

  it('is that of eight billion weights as they are kept, and little besides where an adapter is trained', () => {
    const [f32, int8, int4] = precisions.map(bytes) as [number, number, number];
    // 7.0 of 8.0 billion weights are projections: 4, 1.125 and 0.625 bytes each.
    assert.ok(Math.abs(f32 - int8 - (6.98e9 * 2.875) / gib) < 0.5, `${f32} and ${int8}`);
    assert.ok(Math.abs(int8 - int4 - (6.98e9 * 0.5) / gib) < 0.1, `${int8} and ${int4}`);
    assert.ok(f32 > 30 && f32 < 60, `${f32}`);
    assert.ok(int4 > 8 && int4 < 35, `${int4}`);
    const full = memoryNeed(large, { ...plan, precision: 'f32' }).about / gib;
    assert.ok(full > (8e9 * 48) / gib && full > 4 * f32, `${full}`);
    const narrow = memoryNeed(large, { ...plan, adapter: { ...adapter, rank: 8 }, precision: 'int4' }).about / gib;
    assert.ok(narrow < int4 - 4, `${narrow}`);
    assert.ok(adapter.rank <= largestRank(large, adapter.targets));
  });

  it('is at least what is kept of it, which is less than what it takes', () => {
    const { least, about } = memoryNeed(large, { ...plan, adapter: { ...adapter, rank: 8 }, precision: 'int4' });
    assert.ok(least < about, `${least} and ${about}`);
    assert.ok(least > 0.625 * 6.98e9, `${least}`);
  });

  it('is said before a run, and refused where the machine has less', () => {
    const need = { least: 2 * gib, about: 3 * gib };
    assert.equal(
      assertFits(need, { total: 24 * gib, free: 20 * gib }),
      'The run needs about 3.0 GiB of memory, and this machine has 24.0 GiB.',
    );
    assert.match(
      assertFits(need, { total: 2.5 * gib, free: 2 * gib }),
      /2\.5 GiB; 2\.0 GiB are free, so it may be slow/,
    );
    assert.throws(() => assertFits(need, { total: 1.9 * gib, free: gib }), {
      name: 'UserError',
      message: /^The run needs at least 2\.0 GiB of memory, and this machine has 1\.9 GiB; train an adapter .*\.$/,
    });
    const { total, free } = machineMemory();
    assert.ok(free > 0 && free <= total && total > 2 ** 28 && total < 2 ** 46);
  });
});
