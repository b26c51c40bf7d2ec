import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { referenceLogits } from '../model/reference-transformer.ts';
import { everyOption, tinyCheckpoint, writeTinyCheckpoint } from '../model/tiny-model.ts';
import { document, enterHome, refusal, unmask } from './unmask.ts';

let leave: () => Promise<void>;
before(async () => {
  const entered = await enterHome();
  leave = entered.leave;
  await writeTinyCheckpoint(path.join(entered.home, 'models', 'tiny'), everyOption);
});
after(() => leave());

describe('unmask logits', () => {
  it("prints the head's raw, unshifted output on both engines", async () => {
    const { config, weights } = tinyCheckpoint(everyOption);
    const expected = referenceLogits(config, weights, [4, 2, 7, 9]);
    for (const name of ['onnx', 'tensorflow']) {
      const engine = ['--engine', name, '--device', 'cpu'];
      const { logits } = await document(['logits', '--model', 'tiny', '--tokens', '4,2,7,9', ...engine]);
      assert.equal(logits.length, 4);
      expected.forEach((row, place) => {
        assert.equal(logits[place].length, row.length);
        row.forEach((value, token) => {
          assert.ok(Math.abs(logits[place][token] - value) < 1e-4, `${place} ${token}`);
        });
      });
    }
  });
});

describe('unmask loss', () => {
  const lossCase = {
    prompt: [4, 5],
    completions: [
      [6, 7, 8],
      [9, 1, 0],
    ],
    rewards: [1, 0],
    masks: [
      [
        [0, 0, 1, 1, 0],
        [1, 0, 0, 0, 1],
      ],
      [
        [0, 0, 1, 0, 1],
        [0, 0, 1, 1, 1],
      ],
    ],
    settings: { beta: 1.5, omega: 0.5, estimator: 'released' },
  };
  const args = (objective: string, file: string) => [
    'loss',
    '--objective',
    objective,
    '--model',
    'tiny',
    '--case',
    file,
  ];

  it('prints the loss, the estimate and the advantage of every completion', async () => {
    await writeFile('case.json', JSON.stringify(lossCase));
    const result = await document(args('spg-mixture', 'case.json'));
    assert.deepEqual(Object.keys(result), ['loss', 'logp', 'advantages']);
    assert.deepEqual(result.advantages, [0.5, -0.5]);
    assert.ok(result.logp.every((value: number) => value < 0));
    // -sum A L n / sum n, with three and two tokens of text.
    const loss = (-0.5 * result.logp[0] * 3 + 0.5 * result.logp[1] * 2) / 5;
    assert.ok(Math.abs(result.loss - loss) < 1e-5);
    const positive = await document(args('spg-positive', 'case.json'));
    assert.deepEqual(positive.logp, [result.logp[0], 0]);
    const paper = { ...lossCase, settings: { ...lossCase.settings, estimator: 'paper' } };
    await writeFile('paper.json', JSON.stringify(paper));
    const summed = await document(args('spg-mixture', 'paper.json'));
    assert.ok(
      Math.abs(summed.logp[0] - 3 * result.logp[0]) < 1e-4,
      'a sum over three tokens where the other is a mean',
    );
    assert.ok(Math.abs(summed.loss - (-0.5 * summed.logp[0] + 0.5 * summed.logp[1]) / 2) < 1e-4);
  });

  it('rejects an invalid case by its field', async () => {
    await writeFile('wrong.json', JSON.stringify({ ...lossCase, rewards: [1] }));
    assert.match(await refusal(args('spg-mixture', 'wrong.json'), 1), /has 2 completions, 1 reward and/);
    await writeFile('wrong.json', JSON.stringify({ ...lossCase, settings: { gamma: 1 } }));
    assert.match(await refusal(args('spg-mixture', 'wrong.json'), 1), /settings has the unknown field gamma/);
    await writeFile('wrong.json', '');
    assert.match(await refusal(args('spg-mixture', 'wrong.json'), 1), /wrong\.json is not valid JSON/);
  });

  it('prints text output without --json', async () => {
    await writeFile('case.json', JSON.stringify(lossCase));
    const { stdout } = await unmask(args('spg-eubo', 'case.json'));
    assert.match(stdout, /^loss [-\d.e]+\ncompletion 0: log p -[\d.]+, advantage 0\.5\ncompletion 1: .*-0\.5\n$/);
  });
});
