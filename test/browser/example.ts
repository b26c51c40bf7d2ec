import { Random } from '../../src/platform/random.ts';
import type { EvaluationEvent, StepEvent } from '../../src/protocol/events.ts';
import type { Interval } from '../../src/protocol/interval.ts';
import type { Denoising, ReportData } from '../../src/protocol/report.ts';
import type { Frame } from '../../src/protocol/sample.ts';

const around = (value: number, spread: number): Interval => ({
  value,
  low: Math.max(0, value - spread),
  high: Math.min(1, value + spread),
});

/** A trace of a text that is denoised `perStep` tokens at a time, most confident tokens first. */
export function denoise(title: string, prompt: string, tokens: readonly string[], perStep: number): Denoising {
  const order = new Random(1, title).shuffle(tokens.keys());
  const at = tokens.map((_, index) => Math.floor(order.indexOf(index) / perStep));
  const sure = tokens.map((_, index) => Math.max(0.3, 1 - 0.045 * (at[index] as number)));
  const frames: Frame[] = Array.from({ length: Math.max(...at) + 1 }, (_, step) => ({
    step,
    tokens: tokens.map((token, index) => ((at[index] as number) <= step ? token : null)),
    revealedAt: at.map((revealed) => (revealed <= step ? revealed : null)),
    confidence: sure.map((confidence, index) => ((at[index] as number) <= step ? confidence : null)),
  }));
  return { title, prompt, outcome: 'solved', frames };
}

/** A report as a tuning run writes it: 60 steps, evaluated every ten. */
export function exampleReport(): ReportData {
  const random = new Random(2, 'example');
  const noise = (size: number) => size * (random.uniform() - 0.5);
  const steps: StepEvent[] = Array.from({ length: 60 }, (_, index) => {
    const progress = 1 - Math.exp(-index / 20);
    return {
      step: index + 1,
      time: 1_790_000_000 + 4 * index,
      reward: 0.55 + 0.35 * progress + noise(0.05),
      'rewards/rules/mean': 0.6 + 0.32 * progress + noise(0.05),
      'rewards/format/mean': 0.9 + 0.1 * progress,
      reward_std: 0.25 - 0.15 * progress + noise(0.03),
      frac_reward_zero_std: 0.1 + 0.4 * progress + noise(0.08),
      'completions/mean_length': 16,
      entropy: 0.4 - 0.2 * progress + noise(0.02),
      num_tokens: 4096 * (index + 1),
      loss: 0.02 - 0.01 * progress + noise(0.01),
      grad_norm: 0.8 - 0.3 * progress + noise(0.2),
      learning_rate: 1e-4 * Math.min(1, (index + 1) / 5),
      elbo_positive: -0.5 + 0.25 * progress + noise(0.04),
      elbo_negative: -0.8 - 0.2 * progress + noise(0.06),
      eubo_negative: -0.45 - 0.1 * progress + noise(0.05),
      tokens_per_second: 5200 + noise(500),
      'time/rollout': 1.9 + noise(0.3),
      'time/reward': 0.02,
      'time/update': 1.2 + noise(0.2),
    };
  });
  const evaluations: EvaluationEvent[] = [0, 10, 20, 30, 40, 50, 60].map((step) => ({
    step,
    time: 1_790_000_000 + 4 * step,
    evaluation: {
      task: 'sudoku4x4',
      split: 'validation',
      n: 128,
      metrics: {
        cell_accuracy: around(0.86 + 0.11 * (1 - Math.exp(-step / 20)), 0.03),
        solved: around(0.6 + 0.32 * (1 - Math.exp(-step / 20)), 0.07),
      },
      measures: { eubo_elbo_gap: 0.3 - 0.001 * step, forwards_per_answer: 16 },
      seconds: 3.2,
    },
  }));
  return {
    title: 'SPG tuning of unmask-tiny on 4x4 Sudoku',
    summary: [
      'A small masked diffusion model wrote completions for fresh 4x4 Sudokus in groups of eight. Each completion was checked against the rules only, no solution was given, and SPG made the better ones of a group likelier and the worse ones less likely.',
      'Before and after were measured on puzzles whose solutions neither pretraining nor tuning has seen.',
    ],
    createdAt: '2026-03-04T05:06:07.000Z',
    headline: {
      task: 'sudoku4x4',
      n: 256,
      descriptions: {
        before: 'The bundled base model as it is.',
        after: 'The same model after 60 steps of SPG (mixture), 201 s.',
        control: 'The base after 201 s more of supervised training on its own labelled data.',
      },
      metrics: [
        {
          name: 'cell_accuracy',
          before: around(0.861, 0.028),
          after: around(0.958, 0.016),
          control: around(0.902, 0.024),
          difference: { value: 0.097, low: 0.071, high: 0.123 },
          versusControl: { value: 0.056, low: 0.034, high: 0.078 },
        },
        {
          name: 'solved',
          before: around(0.613, 0.058),
          after: around(0.887, 0.04),
          control: around(0.711, 0.055),
          difference: { value: 0.274, low: 0.214, high: 0.334 },
          versusControl: { value: 0.176, low: 0.116, high: 0.236 },
        },
      ],
    },
    settings: {
      objective: 'spg-mixture',
      learning_rate: 1e-4,
      groups: 32,
      group_size: 8,
      beta: 1,
      omega: 0.5,
      masks: 2,
      temperature: 0.9,
      schedule: { warmup: 5, kind: 'constant' },
    },
    environment: [
      { label: 'Engine', value: 'onnx (cpu), chosen by self-test' },
      { label: 'Processor', value: '2 cores' },
      { label: 'Unmask', value: '0.1.0' },
      { label: 'Seconds in all', value: '268' },
    ],
    steps,
    evaluations,
    samples: [1, 20, 60].map((step) => ({
      step,
      records: Array.from({ length: step === 20 ? 48 : 8 }, (_, index) => ({
        prompt: '3014002020004130=',
        completion: `32144123${String(index % 4)}1432134`,
        rewards: { rules: (index % 4) / 4, format: 1, total: (index % 4) / 4 + 1 },
        advantage: (index % 4) / 4 - 0.375,
      })),
    })),
    denoisings: [
      {
        ...denoise('A held-out Sudoku, after tuning', '3014002020004130=', [...'3214412321434132'], 1),
        layout: {
          columns: 4,
          cells: 16,
          box: 2,
          given: [...'3014002020004130'].map((digit) => digit !== '0'),
        },
      },
      denoise(
        'Countdown, before tuning',
        'numbers 30, 100, 93; target 23',
        'Add the first two :\n 30 + 93 = 123 ,\n then 123 - 100 = 23 . <answer> 30 + 93 - 100 </answer>'.match(
          /\n|\s?\S+/g,
        ) ?? [],
        2,
      ),
    ],
  };
}
