export interface GroupAdvantages {
  /** Reward minus the mean of its group, in the order of the rewards; 0 for completions without a reward. */
  readonly advantages: number[];
  /** The standard deviation of the rewards in a group, averaged over the groups. */
  readonly meanStd: number;
  /** Share of groups whose rewards are all equal. */
  readonly zeroStdShare: number;
}

/**
 * Group advantages without division by the standard deviation (SPG, arXiv 2510.09541; Dr. GRPO, arXiv 2503.20783). A
 * reward is null if the completion could not be scored; the group mean then excludes that completion.
 */
export function groupAdvantages(rewards: readonly (number | null)[], groupSize: number): GroupAdvantages {
  const advantages: number[] = [];
  let stds = 0;
  let zero = 0;
  for (let start = 0; start < rewards.length; start += groupSize) {
    const all = rewards.slice(start, start + groupSize);
    const group = all.filter((reward) => reward !== null);
    const mean = group.reduce((sum, reward) => sum + reward, 0) / group.length;
    const equal = group.every((reward) => reward === group[0]);
    // The mean of equal numbers may have a rounding error. Advantages of such a group must be exactly 0.
    advantages.push(...all.map((reward) => (equal || reward === null ? 0 : reward - mean)));
    if (equal) zero++;
    else stds += Math.sqrt(group.reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / (group.length - 1));
  }
  const groups = Math.ceil(rewards.length / groupSize);
  return { advantages, meanStd: stds / groups, zeroStdShare: zero / groups };
}

/** The completions of each group, in order. */
export function byGroup<T extends { readonly group: number }>(completions: readonly T[]): T[][] {
  const groups = new Map<number, T[]>();
  for (const completion of completions)
    groups.set(completion.group, [...(groups.get(completion.group) ?? []), completion]);
  return [...groups.values()];
}
