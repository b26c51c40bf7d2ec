import { count } from '../platform/amounts.ts';
import type { CompletionOutcome, CompletionSettings } from '../protocol/runtime.ts';
import { commentOrStringAt } from '../syntax/comments-and-strings.ts';
import { longestParsed } from '../syntax/trees.ts';
import type { CompletionQuery } from './completion-query.ts';
import { lineAfter, lineBefore } from './inline/text-at-cursor.ts';

/** Why nothing is suggested: the outcome of the request, and a sentence for the user. */
export type Refusal = readonly [outcome: CompletionOutcome, reason: string];

/** A longer line is data or minified code. */
const longestLine = 2_000;

/**
 * Checks the settings, the snooze, the length of the line and VS Code's suggestion list. Returns null if they allow a suggestion.
 * `snoozedUntil` and `now` are in milliseconds since 1970.
 */
export function refusalOf(
  { languageId, suggestionList, text, trigger }: CompletionQuery,
  settings: CompletionSettings,
  { snoozedUntil, now }: { readonly snoozedUntil: number | null; readonly now: number },
): Refusal | null {
  const isInvoked = trigger === 'invoked';
  if (!isInvoked && !settings.enabled)
    return ['off', 'Completions are turned off (the setting unmask.completions.enabled).'];
  if (!isInvoked && snoozedUntil !== null && now < snoozedUntil)
    return [
      'snoozed',
      `Completions are snoozed for ${count(Math.ceil((snoozedUntil - now) / 60_000), 'more minute')}.`,
    ];
  if (!isInvoked && !(settings.languages[languageId] ?? settings.languages['*'] ?? true))
    return ['language-off', `Completions are turned off for ${languageId} (the setting unmask.completions.languages).`];
  const { length } = lineBefore(text) + lineAfter(text);
  if (length > longestLine)
    return [
      'long-line',
      `The cursor is in a line of ${length.toLocaleString('en-US')} characters; lines of more than ${longestLine.toLocaleString('en-US')} are not completed.`,
    ];
  if (suggestionList === 'open')
    return ['suggest-widget', "Hidden while VS Code's suggestion list is open. Press Esc to see it."];
  return null;
}

/**
 * Checks whether the cursor is in a comment or a string in which the user wants no suggestions. This parses the whole text. Returns
 * null if a suggestion is allowed.
 */
export async function refusalInCommentOrString(
  { languageId, text, trigger }: CompletionQuery,
  { inCommentsAndStrings }: CompletionSettings,
): Promise<Refusal | null> {
  if (trigger === 'invoked' || inCommentsAndStrings) return null;
  const whole = text.prefix + text.suffix;
  if (whole.length > longestParsed) return null;
  const found = await commentOrStringAt(languageId, whole, text.prefix.length);
  if (found === 'comment') return ['in-comment', `The cursor is in a comment. ${enableHere}`];
  if (found === 'string') return ['in-string', `The cursor is in a string. ${enableHere}`];
  return null;
}

const enableHere = 'Enable unmask.completions.inCommentsAndStrings to complete here.';
