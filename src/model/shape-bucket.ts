/** Rounds up to one of 1, 2, 3, 4, 6, 8, 12, 16, …, so that at most a third of a pass is padding. */
export function bucket(count: number): number {
  const power = 2 ** Math.floor(Math.log2(count));
  if (count === power) return power;
  return count <= power * 1.5 && power >= 2 ? power * 1.5 : power * 2;
}
