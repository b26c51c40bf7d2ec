/**
 * SPG (arXiv 2510.09541) written out in double precision: the estimates of its released trainer, per token, and those
 * of the paper, as sums with w(t) = 1/t. It checks the product's code and shares none of it.
 */

export interface ReferenceCompletion {
  /** Tokens up to and including the first end of text. */
  readonly length: number;
  readonly advantage: number;
  /** logp[s][i]: log-probability of the true token i of the completion in sample s. */
  readonly logp: readonly (readonly number[])[];
  /** masks[s][i]: 1 where token i of the completion is masked in sample s. */
  readonly masks: readonly (readonly number[])[];
}

export interface ReferenceSettings {
  readonly estimator: 'released' | 'paper';
  readonly branch: 'mixture' | 'eubo' | 'elbo' | 'none';
  readonly beta: number;
  readonly omega: number;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, number) => all + number, 0);
const mean = (numbers: readonly number[]): number => sum(numbers) / numbers.length;

/** Both bounds of one completion. */
export function referenceBounds(
  { length, logp, masks }: Pick<ReferenceCompletion, 'length' | 'logp' | 'masks'>,
  { estimator, beta }: Pick<ReferenceSettings, 'estimator' | 'beta'>,
): { elbo: number; eubo: number } {
  // M_s[i] = mask AND i < length
  const positions = Array.from({ length }, (_, i) => i);
  const masked = masks.map((mask) => positions.map((i) => mask[i] as number));
  const counts = masked.map(sum);
  if (estimator === 'released') {
    const elbos = masked.map((mask, s) => sum(positions.map((i) => mask[i]! * logp[s]![i]!)) / counts[s]!);
    const u = positions.map((i) =>
      mean(masked.map((mask, s) => (Math.exp(logp[s]![i]!) ** beta * mask[i]!) / (counts[s]! / length))),
    );
    const logs = u.filter((value) => value > 0).map(Math.log);
    return { elbo: mean(elbos), eubo: mean(logs) / beta };
  }
  // w(t) = 1/t with t estimated by the share of masked tokens.
  const w = counts.map((count) => length / count);
  const elbo = mean(masked.map((mask, s) => w[s]! * sum(positions.map((i) => mask[i]! * logp[s]![i]!))));
  const u = positions.map((i) => mean(masked.map((mask, s) => w[s]! * mask[i]! * Math.exp(logp[s]![i]!) ** beta)));
  return { elbo, eubo: sum(u.filter((value) => value > 0).map(Math.log)) / beta };
}

/** The estimate of a completion's log p in the loss. */
export function referenceLogp(completion: ReferenceCompletion, settings: ReferenceSettings): number {
  const { elbo, eubo } = referenceBounds(completion, settings);
  if (completion.advantage > 0) return elbo;
  const { branch, omega } = settings;
  return { mixture: omega * eubo + (1 - omega) * elbo, eubo, elbo, none: 0 }[branch];
}

/** The released loss is a mean weighted by length, the paper's a plain mean. */
export function referenceLoss(completions: readonly ReferenceCompletion[], settings: ReferenceSettings): number {
  const terms = completions.map((completion) => -completion.advantage * referenceLogp(completion, settings));
  if (settings.estimator === 'paper') return mean(terms);
  return sum(completions.map(({ length }, j) => terms[j]! * length)) / sum(completions.map(({ length }) => length));
}
