import type { Random } from '../platform/random.ts';

/** A token that was not chosen, and its probability according to the model. */
export interface RunnerUp {
  readonly token: number;
  readonly probability: number;
}

/**
 * Draws a token from softmax(logits / temperature) by inversion, in double precision; at temperature 0, takes the most likely
 * one. `logits` is one row [vocab_size]. The mask token is never drawn.
 */
export function drawToken(logits: Float32Array, temperature: number, mask: number, random: Random): number {
  const likeliest = likeliestToken(logits, mask);
  if (temperature === 0) return likeliest;
  const peak = logits[likeliest] as number;
  const cumulative = new Float64Array(logits.length);
  let sum = 0;
  for (let token = 0; token < logits.length; token++) {
    if (token !== mask) sum += Math.exp(((logits[token] as number) - peak) / temperature);
    cumulative[token] = sum;
  }
  const drawn = random.uniform() * sum;
  const token = cumulative.findIndex((weight) => weight > drawn);
  // Logits that are not finite define no distribution. The caller notices this because the token's probability is NaN.
  return token === -1 ? likeliest : token;
}

/** The token with the largest logit, the first one if several are equal; never the mask token. */
export function likeliestToken(logits: Float32Array, mask: number): number {
  let best = mask === 0 ? 1 : 0;
  for (let token = best + 1; token < logits.length; token++)
    if (token !== mask && (logits[token] as number) > (logits[best] as number)) best = token;
  return best;
}

/** The probability of a token under the softmax over all tokens except the mask token. */
export function probability(logits: Float32Array, token: number, mask: number): number {
  const reference = logits[token] as number;
  let sum = 0;
  for (let other = 0; other < logits.length; other++)
    if (other !== mask) sum += Math.exp((logits[other] as number) - reference);
  return 1 / sum;
}

/** The results of `probability` and `entropyOf`, in one pass over the logits. */
export function assess(logits: Float32Array, token: number, mask: number): { probability: number; entropy: number } {
  const reference = logits[token] as number;
  let sum = 0;
  let weighted = 0;
  for (let other = 0; other < logits.length; other++) {
    if (other === mask) continue;
    const difference = (logits[other] as number) - reference;
    const weight = Math.exp(difference);
    sum += weight;
    // The logit of a token that is not allowed is minus infinity.
    if (weight !== 0) weighted += difference * weight;
  }
  const entropy = Number.isFinite(sum) ? Math.log(sum) - weighted / sum : entropyOf(logits, mask);
  return { probability: 1 / sum, entropy };
}

/** Entropy of the softmax over all tokens except the mask token, in nats. */
export function entropyOf(logits: Float32Array, mask: number): number {
  let peak = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token++)
    if (token !== mask) peak = Math.max(peak, logits[token] as number);
  let sum = 0;
  let weighted = 0;
  for (let token = 0; token < logits.length; token++) {
    const difference = (logits[token] as number) - peak;
    // A token that is not allowed has a logit of minus infinity and contributes nothing.
    if (token === mask || difference === Number.NEGATIVE_INFINITY) continue;
    const weight = Math.exp(difference);
    sum += weight;
    weighted += difference * weight;
  }
  return Math.log(sum) - weighted / sum;
}

/** The `count` most likely tokens except the chosen one and the mask token, most likely first. */
export function runnersUp(logits: Float32Array, chosen: number, mask: number, count: number): RunnerUp[] {
  const best: number[] = [];
  for (let token = 0; token < logits.length; token++) {
    if (token === chosen || token === mask) continue;
    const logit = logits[token] as number;
    if (best.length === count && !(logit > (logits[best.at(-1) as number] as number))) continue;
    const position = best.findIndex((other) => logit > (logits[other] as number));
    best.splice(position === -1 ? best.length : position, 0, token);
    if (best.length > count) best.pop();
  }
  return best.map((token) => ({ token, probability: probability(logits, token, mask) }));
}
