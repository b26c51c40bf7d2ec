import { UserError } from '../platform/errors.ts';

/** Rank and scale of an adapter's modules as `adapter_config.json` states them. */
export interface AdapterScales {
  readonly rank: number;
  readonly alpha: number;
  /** Whether the scale is alpha / sqrt(r) (arXiv 2312.03732) instead of alpha / r. */
  readonly isStabilised: boolean;
  /** Ranks and alphas of some modules, by regular expressions for the end of a module's path. */
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
}

/**
 * The rank of a module and the factor of its update. As in PEFT, the first key counts that matches the end of the module's path,
 * beginning at a dot or at the path's beginning. An anchored key such as `^q_proj` therefore matches no module inside another.
 *
 * @param module path in the published model, such as `model.layers.0.self_attn.q_proj`
 */
export function scaleOf(scales: AdapterScales, module: string): { readonly rank: number; readonly scale: number } {
  const rank = firstMatch(scales.rankPattern, module) ?? scales.rank;
  const alpha = firstMatch(scales.alphaPattern, module) ?? scales.alpha;
  return { rank, scale: alpha / (scales.isStabilised ? Math.sqrt(rank) : rank) };
}

/** The keys of both patterns that match none of these modules. */
export function idlePatterns({ rankPattern, alphaPattern }: AdapterScales, modules: readonly string[]): string[] {
  const keys = [...new Set([...Object.keys(rankPattern), ...Object.keys(alphaPattern)])];
  return keys.filter((key) => !modules.some((module) => matches(key, module)));
}

/** Throws a `UserError` if a key is no regular expression. */
export function checkPatterns(patterns: Readonly<Record<string, number>>, field: string, file: string): void {
  for (const key of Object.keys(patterns))
    try {
      patternOf(key);
    } catch {
      throw new UserError(`${file}: ${field} has the key ${JSON.stringify(key)}, which is no regular expression.`);
    }
}

const firstMatch = (patterns: Readonly<Record<string, number>>, module: string): number | undefined =>
  Object.entries(patterns).find(([key]) => matches(key, module))?.[1];

const matches = (key: string, module: string): boolean => patternOf(key).test(module);

const patternOf = (key: string): RegExp => new RegExp(`^(?:.*\\.)?(?:${key})$`);
