/**
 * Exact likelihood of a completion under a masked diffusion model with N steps, and the exact values of its bounds.
 * A partly masked version of a completion is given by the subset S of its n positions that are masked, as a bit mask;
 * `logp(S)[i]` is the model's log-probability of token i given this version.
 *
 * The reverse process goes from N steps down to 0. If k steps are left, a step reveals each masked position with
 * probability 1/k (the linear schedule on a uniform grid), possibly several at once. The log-likelihood is therefore a
 * sum over chains of subsets, computed by dynamic programming:
 *
 *     f_k(S) = sum over R in S of (1/k)^|R| (1 - 1/k)^|S\R| prod_{i in R} pi(x_i | S) f_{k-1}(S \ R)
 */
export type MaskedLogp = (masked: number) => readonly number[];

/** log p(x) under the process of `steps` steps. */
export function logLikelihood(n: number, logp: MaskedLogp, steps: number): number {
  const all = 2 ** n - 1;
  let value = new Float64Array(all + 1);
  value[0] = 1;
  for (let left = 1; left <= steps; left++) {
    const next = new Float64Array(all + 1);
    for (let masked = 0; masked <= all; masked++) {
      const tokenLogp = logp(masked);
      for (let revealed = masked; ; revealed = (revealed - 1) & masked) {
        const [revealedCount, keptCount] = [count(revealed), count(masked ^ revealed)];
        const choice = left ** -revealedCount * (1 - 1 / left) ** keptCount;
        if (choice > 0) {
          let chance = choice;
          for (let i = 0; i < n; i++) if (revealed & (1 << i)) chance *= Math.exp(tokenLogp[i] as number);
          next[masked] = (next[masked] as number) + chance * (value[masked ^ revealed] as number);
        }
        if (revealed === 0) break;
      }
    }
    value = next;
  }
  return Math.log(value[all] as number);
}

/** The expected weight of a subset of m masked positions, for N steps or infinitely many (`steps` null). */
function weightOf(m: number, n: number, steps: number | null): number {
  // The integral over t of (1/t) t^m (1 - t)^(n - m) is the beta function B(m, n - m + 1).
  if (steps === null) return (factorial(m - 1) * factorial(n - m)) / factorial(n);
  let sum = 0;
  for (let k = 1; k <= steps; k++) sum += (1 / k) * (k / steps) ** m * (1 - k / steps) ** (n - m);
  return sum;
}

/** The evidence lower bound: the sum over positions of E[w log pi]. */
export function exactElbo(n: number, logp: MaskedLogp, steps: number | null): number {
  return sumOverPositions(n, (i) => expectation(n, i, steps, (masked) => logp(masked)[i] as number));
}

/**
 * The evidence upper bound without its constant: 1/beta times the sum over positions of log E[w pi^beta] (SPG, arXiv
 * 2510.09541; with infinitely many steps, its trained form).
 */
export function exactEubo(n: number, logp: MaskedLogp, steps: number | null, beta: number): number {
  return sumOverPositions(
    n,
    (i) => Math.log(expectation(n, i, steps, (masked) => Math.exp(beta * (logp(masked)[i] as number)))) / beta,
  );
}

/**
 * The constant of the upper bound, C = 1/beta log E_q[q(z)^-n] for beta < n. A chain of subsets is determined by the
 * step at which each position is revealed, which is uniform on N steps and independent, so q = N^-n and the
 * expectation factorises: C = n^2 log(N) / beta.
 */
export function euboConstant(n: number, steps: number, beta: number): number {
  return beta < n ? (n ** 2 * Math.log(steps)) / beta : 0;
}

/** E over time and mask of w 1[i is masked] of a function of the mask. */
function expectation(n: number, i: number, steps: number | null, of: (masked: number) => number): number {
  let sum = 0;
  for (let masked = 1; masked < 2 ** n; masked++)
    if (masked & (1 << i)) sum += weightOf(count(masked), n, steps) * of(masked);
  return sum;
}

function sumOverPositions(n: number, of: (i: number) => number): number {
  return Array.from({ length: n }, (_, i) => of(i)).reduce((sum, value) => sum + value, 0);
}

function count(bits: number): number {
  let ones = 0;
  for (let left = bits; left > 0; left &= left - 1) ones++;
  return ones;
}

function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1);
}
