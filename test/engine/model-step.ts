/** One training step of a small language model, on two engines. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Engine } from '../../src/engine/engine.ts';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import { total } from '../../src/graph/compositions.ts';
import { gradients } from '../../src/graph/differentiate.ts';
import { optimizerState, optimizerStep } from '../../src/graph/optimizer.ts';
import { input, logSoftmax, mul, neg, pick, state } from '../../src/graph/primitives.ts';
import type { ProgramParts } from '../../src/graph/program.ts';
import { type HostTensor, sizeOf, type Tensor } from '../../src/graph/tensor.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { hiddenStates, initialWeights, logitsAt, weightShapes } from '../../src/model/transformer.ts';
import { Random } from '../../src/platform/random.ts';
import { f32, i32, normals, type Ran, runProgram } from '../graph/run-program.ts';

const plain: ModelConfig = {
  model_type: 'unmask',
  vocab_size: 13,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  head_dim: 4,
  max_position_embeddings: 32,
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  attention_bias: false,
  qk_norm: false,
  tie_word_embeddings: true,
  logit_shift: false,
  attention: 'full',
  mask_token_id: 12,
  eos_token_id: 11,
  pad_token_id: 10,
  initializer_range: 0.3,
};
const models: Readonly<Record<string, ModelConfig>> = {
  'a plain model': plain,
  'a model with every option': {
    ...plain,
    num_key_value_heads: 2,
    attention_bias: true,
    qk_norm: true,
    tie_word_embeddings: false,
    logit_shift: true,
    attention: 'block-causal',
    block_size: 4,
  },
};

interface Step {
  readonly parts: ProgramParts;
  readonly feeds: Readonly<Record<string, HostTensor>>;
  readonly state: Readonly<Record<string, HostTensor>>;
}

/** Cross-entropy at some positions of padded rows, its gradients, and an AdamW step. */
function trainingStep(config: ModelConfig): Step {
  const [batch, length, rows] = [3, 8, 10];
  const random = new Random(7, 'model step');
  const shapes = weightShapes(config);
  const weights = new Map([...shapes].map(([name, shape]): [string, Tensor] => [name, state(name, shape)]));
  const canvas = { tokens: input('tokens', [batch, length], 'i32'), present: input('present', [batch, length]) };
  const states = hiddenStates(config, (name) => weights.get(name)!, canvas);
  const logits = logitsAt(config, (name) => weights.get(name)!, states, input('rows', [rows], 'i32'));
  const logp = pick(logSoftmax(logits), input('targets', [rows], 'i32'));
  const loss = neg(total(mul(logp, input('weights', [rows]))));
  const slopes = gradients(loss, [...weights.values()]);
  const gradientOf = new Map([...weights.keys()].map((name, index) => [name, slopes[index]!]));
  const { updates, gradNorm } = optimizerStep(weights, gradientOf, {
    beta1: 0.9,
    beta2: 0.99,
    // Large enough that rounding does not change the sign of the update of a parameter with a tiny gradient.
    epsilon: 1e-4,
    weightDecay: 0.1,
    maxGradNorm: 1,
    schedule: { learningRate: 0.01, warmup: 0, decay: 'constant', steps: 1, floor: 0 },
  });
  const numbers = (count: number, bound: number) => Array.from({ length: count }, () => random.integer(bound));
  const kept = Array.from({ length: batch * length }, (_, position) =>
    position % length < 5 + Math.floor(position / length) ? 1 : 0,
  );
  const held: Record<string, HostTensor> = {};
  // Norm gains and biases start at 1 and 0; other values make their effect on the step visible.
  for (const [name, value] of initialWeights(config, random)) {
    const noise = normals(random, value.shape, 0.2);
    held[name] = f32(
      value.shape,
      value.data.map((x, index) => x + noise.data[index]!),
    );
  }
  for (const [name, shape] of optimizerState(shapes)) held[name] = f32(shape, new Float32Array(sizeOf(shape)));
  return {
    parts: { outputs: { loss, gradNorm, logits, ...Object.fromEntries(gradientOf) }, updates },
    feeds: {
      tokens: i32([batch, length], numbers(batch * length, config.vocab_size)),
      present: f32([batch, length], kept),
      rows: i32(
        [rows],
        Array.from({ length: rows }, () => random.integer(batch) * length + random.integer(5)),
      ),
      targets: i32([rows], numbers(rows, config.vocab_size)),
      weights: normals(random, [rows]),
    },
    state: held,
  };
}

/** Checks that a step gives the same losses, gradients and update on this engine and on ONNX Runtime's CPU. */
export function checkModelStep(label: string, open: () => Promise<Engine>): void {
  describe(`a training step on ${label} and on onnx cpu`, () => {
    let opened: Promise<Engine> | undefined;
    after(async () => (await opened)?.dispose());
    for (const [name, config] of Object.entries(models)) {
      it(name, async () => {
        opened ??= open();
        const { parts, feeds, state } = trainingStep(config);
        const [found, expected] = [
          await runProgram(await opened, parts, feeds, { state, times: 2 }),
          await runProgram(new OnnxEngine('cpu'), parts, feeds, { state, times: 2 }),
        ];
        assertSame(found, expected);
        // The comparison is meaningful only if every parameter has a gradient and changed.
        for (const parameter of weightShapes(config).keys()) {
          assert.ok(
            expected.outputs[parameter]!.data.some((slope) => Math.abs(slope) > 1e-4),
            `${parameter} has no gradient`,
          );
          assert.notDeepEqual(expected.state[parameter]!.data, state[parameter]!.data, `${parameter} did not move`);
        }
      });
    }
  });
}

/** Asserts that every tensor agrees to 5e-4 of its largest value. */
function assertSame(found: Ran, expected: Ran): void {
  for (const kind of ['outputs', 'state'] as const) {
    assert.deepEqual(Object.keys(found[kind]), Object.keys(expected[kind]));
    for (const [name, { data, shape }] of Object.entries(expected[kind])) {
      const other = found[kind][name]!;
      assert.deepEqual([...other.shape], [...shape], name);
      const scale = Math.max(...data.map(Math.abs));
      data.forEach((value, position) => {
        const difference = Math.abs(other.data[position]! - value);
        assert.ok(
          difference <= 5e-4 * scale + 1e-9,
          `${kind} ${name}[${position}]: ${other.data[position]} and ${value}`,
        );
      });
    }
  }
}
