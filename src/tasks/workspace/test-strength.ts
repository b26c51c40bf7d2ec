import type { TestStrength } from '../../protocol/discovery.ts';
import { type Mutant, mutantsOf, mutated } from '../../syntax/mutants.ts';
import { passRate } from '../../workspace/verdict.ts';
import type { ScoringOptions } from '../task.ts';
import { judgeBodies } from './judge.ts';
import type { WorkspaceRow } from './row.ts';

/** Maximum number of mutants per function. */
const mostMutants = 8;

/**
 * Tests mutants of each function with the tests that cover it. Verdicts are cached by content, so that only changed
 * functions cost test runs. A test run that breaks says nothing, and its mutant is left out.
 */
export async function testStrengths(
  rows: readonly WorkspaceRow[],
  options: ScoringOptions = {},
): Promise<TestStrength[]> {
  const found = await Promise.all(
    rows.map(({ language, prefix, body, suffix }) =>
      mutantsOf(
        language,
        `${prefix}${body}${suffix}`,
        { start: prefix.length, end: prefix.length + body.length },
        mostMutants,
      ),
    ),
  );
  const bodies = rows.flatMap((row, index) => found[index]!.map((mutant) => ({ row, body: mutatedBody(row, mutant) })));
  const verdicts = await judgeBodies(bodies, { ...options, areTrusted: true });
  let next = 0;
  return found.map((mutants) => {
    const judged = mutants.map((mutant) => ({ mutant, share: passRate(verdicts[next++]!) }));
    const tried = judged.filter(({ share }) => share !== null);
    const survivors = tried
      .filter(({ share }) => share === 1)
      .map(({ mutant: { line, description } }) => ({ line, description }));
    return { tried: tried.length, caught: tried.length - survivors.length, survivors };
  });
}

function mutatedBody({ prefix, body }: WorkspaceRow, mutant: Mutant): string {
  const [start, end] = [mutant.start - prefix.length, mutant.end - prefix.length];
  return mutated(body, { ...mutant, start, end });
}

/**
 * What passing tests are worth: 1 if they notice at least half of the mutants, otherwise the share that they notice; 0 if
 * they notice none.
 */
export function testWeight({ tried, caught }: TestStrength): number {
  if (tried === 0) return 1;
  return caught / tried < 0.5 ? caught / tried : 1;
}

/** Says that a function's tests are weak; null if they are not. */
export function weakTests(
  { file, function: name }: { readonly file: string; readonly function: string },
  strength: TestStrength,
): string | null {
  const weight = testWeight(strength);
  if (weight === 1) return null;
  const { tried, caught, survivors } = strength;
  const [first] = survivors;
  const example = first ? ` (for example line ${first.line}: ${first.description})` : '';
  const consequence =
    weight === 0 ? 'it is not trained on' : `passing them is worth ${weight.toFixed(2)} of the reward`;
  return `Weak tests: the tests of ${name} in ${file} notice ${caught} of ${tried} small changes${example}; ${consequence}.`;
}
