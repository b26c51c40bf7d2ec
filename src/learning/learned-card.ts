import type { Interval } from '../protocol/interval.ts';

/** The facts of a learned model's card. */
export interface LearnedFacts {
  readonly name: string;
  readonly base: string;
  readonly workspace: string;
  readonly languages: readonly string[] | null;
  readonly licence: string | null;
  readonly steps: number;
  readonly tokens: number;
  readonly seconds: number;
  readonly gaps: number;
  readonly before: Interval;
  readonly after: Interval;
  readonly difference: Interval;
}

/** The card of a model that was learned on a workspace. */
export function learnedCard(facts: LearnedFacts): string {
  const { name, base, workspace, languages, licence, steps, tokens, seconds, gaps, before, after, difference } = facts;
  return [
    '---',
    'library_name: unmask',
    'tags: [masked-diffusion]',
    `base_model: ${JSON.stringify(base)}`,
    ...(licence === null ? [] : [`license: ${licence}`]),
    ...(languages === null ? [] : [`code_languages: [${languages.join(', ')}]`]),
    '---',
    '',
    `# ${name}`,
    '',
    `${base}, trained on the files of ${JSON.stringify(workspace)} for ${steps} steps (${tokens} tokens, ${seconds.toFixed(0)} s). It is for this workspace alone: in other code it is usually worse than its base.`,
    '',
    `On ${gaps} ends of lines in files that it was not trained on, with copies from the workspace, ${interval(before)} were right before and ${interval(after)} after: ${interval(difference)}.`,
    '',
  ].join('\n');
}

const interval = ({ value, low, high }: Interval): string =>
  `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
