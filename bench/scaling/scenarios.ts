import type { WorkerSpeed } from '../worker-rollouts.ts';
import type { ScalingModel } from './simulate.ts';

/** A run to simulate, and where its numbers come from. */
export interface Scenario {
  readonly title: string;
  readonly model: Omit<ScalingModel, 'workers' | 'staleness'>;
  readonly inputs: readonly Input[];
}

export interface Input {
  readonly what: string;
  readonly value: string;
  readonly source: 'measured' | 'assumption' | 'computed';
}

/** Workers of the simulated runs. */
export const simulatedWorkers = [1, 2, 4, 8, 16, 32, 64, 128, 256] as const;

const steps = 20;
const gigabit = 125e6;
/** Bytes of a result for each completion: tokens, reveal steps and confidences of 256 positions. */
const bytesOfCompletion = 256 * 12;

const network: Input = { what: 'network', value: '1 Gbit/s, one transfer at a time', source: 'assumption' };

/** The bundled model, with the times of the run without workers. */
export function bundledScenario(alone: WorkerSpeed): Scenario {
  const { groups, group_size, seconds, parameters_bytes } = alone;
  const model = {
    ...{ steps, groups, groupSeconds: seconds.rollout / groups, rewardSlots: 1, bandwidth: gigabit },
    ...{ rewardSeconds: seconds.reward / groups, updateSeconds: seconds.update, policyBytes: parameters_bytes },
    resultBytes: group_size * bytesOfCompletion,
  };
  return {
    title: 'The bundled puzzle model, all weights',
    model,
    inputs: [
      { what: 'a step', value: `${groups} groups of ${group_size} completions`, source: 'measured' },
      { what: 'a group on a worker', value: shownSeconds(model.groupSeconds), source: 'measured' },
      { what: 'rewards of a group', value: shownSeconds(model.rewardSeconds), source: 'measured' },
      { what: 'update', value: shownSeconds(model.updateSeconds), source: 'measured' },
      { what: 'policy', value: `${megabytes(model.policyBytes)} (size of the weights' file)`, source: 'measured' },
      network,
    ],
  };
}

/** What is assumed of runs on GPUs. A worker and the trainer have one each. */
const gpu = { flopsPerSecond: 100e12, groups: 64, groupSize: 16, prompt: 256, completion: 256, decodingSteps: 128 };
/** Times that an update computes each completion with gradients: mask samples. */
const maskSamples = 2;
/** Verdicts a second of one machine with eight cores: four times the aim of `unmask bench --only verdicts` on two. */
const verdictsPerSecond = 100;

/**
 * A model with adapters on GPUs. A forward pass takes 2 and a forward and backward pass 6 floating-point operations for each parameter and
 * token (arXiv 2001.08361, section 2.1); without caches of the prompt.
 */
export function gpuScenario(title: string, parameters: number, adapterParameters: number): Scenario {
  const { flopsPerSecond, groups, groupSize, prompt, completion, decodingSteps } = gpu;
  const tokens = groupSize * (prompt + completion);
  const model = {
    ...{ steps, groups, rewardSlots: 1, bandwidth: gigabit },
    groupSeconds: (2 * parameters * tokens * decodingSteps) / flopsPerSecond,
    rewardSeconds: groupSize / verdictsPerSecond,
    updateSeconds: (6 * parameters * tokens * groups * maskSamples) / flopsPerSecond,
    policyBytes: 4 * adapterParameters,
    resultBytes: groupSize * bytesOfCompletion,
  };
  return {
    title,
    model,
    inputs: [
      {
        what: 'a step',
        value: `${groups} groups of ${groupSize} completions, ${prompt} + ${completion} tokens, ${decodingSteps} decoding steps`,
        source: 'assumption',
      },
      { what: 'speed of each GPU', value: `${flopsPerSecond / 1e12} TFLOP/s`, source: 'assumption' },
      { what: 'a group on a worker', value: shownSeconds(model.groupSeconds), source: 'computed' },
      { what: 'rewards', value: `${verdictsPerSecond} verdicts/s on one machine`, source: 'assumption' },
      {
        what: 'update',
        value: `${shownSeconds(model.updateSeconds)}, ${maskSamples} mask samples`,
        source: 'computed',
      },
      { what: 'adapter', value: megabytes(model.policyBytes), source: 'assumption' },
      network,
    ],
  };
}

export const gpuScenarios: readonly Scenario[] = [
  gpuScenario('A model of 0.5B parameters with an adapter of 8.8M', 0.5e9, 8.8e6),
  gpuScenario('A model of 8B parameters with an adapter of 42M', 8e9, 42e6),
];

export function shownSeconds(seconds: number): string {
  if (seconds >= 100) return `${seconds.toFixed(0)} s`;
  return seconds >= 0.1 ? `${Number(seconds.toPrecision(3))} s` : `${Number((1000 * seconds).toPrecision(3))} ms`;
}

function megabytes(bytes: number): string {
  return `${Number((bytes / 1e6).toPrecision(3))} MB`;
}
