import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { answer, defaultDecoding } from '../../src/evaluation/answers.ts';
import { trainBytePairs } from '../../src/model/byte-pair-training.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { sampleRecordSchema } from '../../src/runs/records.ts';
import type { Task } from '../../src/tasks/task.ts';
import { workspace } from '../../src/tasks/workspace/workspace.ts';
import { checkObjective, objectiveByName } from '../../src/tuning/objectives/registry.ts';
import { resolveSettings } from '../../src/tuning/resolve-settings.ts';
import { generateRollouts, type RolloutJob } from '../../src/tuning/rollouts.ts';
import { tuningSettings } from '../../src/tuning/settings.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

const source = `export function definition(value: string): Definition {
  return new Definition(value.definition());
}
`.repeat(20);
const tokenizer = new Tokenizer(trainBytePairs([source], 360));
const end = 3;
let model: LanguageModel;
before(async () => {
  const checkpoint = tinyCheckpoint({
    attention: 'prefix-lm',
    eom_token_id: end,
    vocab_size: tokenizer.largestId + 1,
    max_position_embeddings: 128,
  });
  model = await LanguageModel.load(oneThread(), { ...checkpoint, tokenizer });
});
after(() => model.dispose());

const task = workspace as unknown as Task;
const settings = (changes: object = {}) => tuningSettings.parse({ length: 16, ...changes });
const decodingOf = (changes: object = {}, objective?: string) =>
  resolveSettings(model, task, settings(changes), 'plain', objective ? objectiveByName(objective) : undefined).decoding;

describe('a rollout of a task that fills a gap', () => {
  it('is decoded as in an editor by default for workspaces, and as configured otherwise', () => {
    assert.equal(decodingOf().infilling, 'editor');
    assert.equal(decodingOf({ infilling: 'canvas' }).infilling, undefined);
    assert.equal(defaultDecoding(model, task).infilling, 'editor', 'evaluations too');
    assert.equal(defaultDecoding(model, task, 'plain', 'canvas').infilling, undefined);
    const other = { ...task, decodedAsInEditor: false };
    assert.equal(defaultDecoding(model, other).infilling, undefined);
    assert.equal(defaultDecoding(model, other, 'plain', 'editor').infilling, 'editor');
    assert.equal(defaultDecoding(model, task, 'chat').infilling, undefined, 'a message is not a gap');
    assert.throws(() => defaultDecoding(model, task, 'chat', 'editor'), {
      name: 'UsageError',
      message: /infilling = editor needs a model that fills gaps/,
    });
  });

  it('is rejected by an objective that fills canvases in its own way', () => {
    for (const name of ['dispo', 'autoedit', 'egspo-sa']) {
      assert.throws(() => checkObjective(name, settings({ infilling: 'editor' }), model.config), {
        name: 'UsageError',
        message: new RegExp(`^${name} fills or edits whole canvases.*set infilling=canvas`),
      });
      assert.equal(decodingOf({}, name).infilling, undefined);
    }
    for (const name of ['spg-mixture', 'egspo', 'ebpo', 'espo'])
      assert.equal(decodingOf({}, name).infilling, 'editor', name);
  });

  it('spells the word that its prompt breaks off, and is filled with end tokens from its end on', async () => {
    const decoding = decodingOf({ temperature: 1.5 });
    const prompt = '  return new Def';
    const jobs = Array.from(
      { length: 40 },
      (_, seed): RolloutJob => ({
        ...{ task: 'workspace', row: {}, prompt, suffix: '\n}', policyVersion: 0 },
        ...{ seed, decoding },
      }),
    );
    const rollouts = await generateRollouts(model, jobs);
    let ended = 0;
    for (const { tokens, prompt: read, healed, constraints, completion, length, revealedAt } of rollouts) {
      assert.equal(tokens.length, 16, "the canvas has the task's width");
      assert.equal(healed, ' Def');
      assert.deepEqual([...read], tokenizer.encode('  return new'));
      const found = tokens.indexOf(end);
      assert.equal(length, found === -1 ? 16 : found + 1);
      if (found !== -1) ended++;
      if (found !== -1) assert.ok(tokens.subarray(found).every((token) => token === end));
      const text = tokenizer.decode(tokens.subarray(0, found === -1 ? 16 : found));
      assert.equal(text, ` Def${completion}`);
      // Each constrained position allowed the token that it contains, and was spelled before all others.
      assert.ok(constraints!.size >= 1);
      for (const [position, bias] of constraints!) {
        assert.equal(bias[tokens[position] as number], 0);
        assert.ok(bias.some((own) => own < 0));
        for (let later = position + 1; later < length; later++) assert.ok(revealedAt[later]! >= revealedAt[position]!);
      }
    }
    assert.ok(ended > 0, 'some middles end');
    const plain = await generateRollouts(
      model,
      jobs.slice(0, 3).map((job) => ({ ...job, decoding: decodingOf({ infilling: 'canvas', temperature: 1.5 }) })),
    );
    assert.ok(plain.every(({ healed, constraints }) => healed === undefined && constraints === undefined));
  });

  it('is evaluated in the same way', async () => {
    const gap = { ...task, prompt: () => '  return new Def', suffix: () => '\n}' } as unknown as Task;
    const decoding = { ...defaultDecoding(model, gap), length: 16, steps: 16 };
    const [found] = await answer(model, gap, [{}], { format: 'plain', decoding, samples: 1, seed: 0 });
    assert.equal(found!.healed, ' Def');
    const whole = tokenizer.decode([...found!.denoised.tokens].filter((token) => token !== end));
    assert.ok(whole.startsWith(` Def${found!.completion}`), whole);
  });

  it('records its constraints in its sample, and samples of earlier versions can be read', () => {
    const sample = {
      ...{ prompt: 'p', completion: 'c', rewards: {}, advantage: 0, policyVersion: 0, seed: 1 },
      ...{ tokens: [4], revealedAt: [0], confidence: [1] },
    };
    assert.deepEqual(sampleRecordSchema.parse(sample), sample);
    const infilling = { width: 1, healedPrefix: ' Def', forcedTokens: 0 };
    assert.deepEqual(sampleRecordSchema.parse({ ...sample, infilling }), { ...sample, infilling });
    assert.throws(() => sampleRecordSchema.parse({ ...sample, infilling: { ...infilling, width: -1 } }));
  });
});
