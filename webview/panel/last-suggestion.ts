import { describeCandidate } from '../../src/protocol/describe-candidate.ts';
import type { CompletionTrace } from '../../src/protocol/runtime.ts';
import { element, missing, setText } from '../element.ts';
import { commandButton } from './controls.ts';
import type { Host } from './host.ts';

/** The last suggestion in an editor: why it was shown or not, and where its candidates come from. */
export function lastSuggestion(host: Host): { readonly root: HTMLElement; show(trace: CompletionTrace): void } {
  const nothing = missing('There has been no suggestion yet. Type in an editor.');
  const reason = element('p', { class: 'note', 'aria-live': 'polite' });
  const candidates = element('ol', { class: 'candidates' });
  const explain = commandButton('explainLastCompletion', host);
  const details = element('div', { hidden: true }, reason, candidates, element('div', { class: 'controls' }, explain));
  return {
    root: element('div', {}, nothing, details),
    show({ uri, line, reason: sentence, alternatives }) {
      nothing.hidden = true;
      details.hidden = false;
      const file = decodeURIComponent(uri.split('/').at(-1) ?? uri);
      setText(reason, `${file}, line ${line + 1}: ${sentence}`);
      candidates.replaceChildren(
        ...alternatives.map((alternative) => {
          const [text, about] = [element('pre', { class: 'candidate' }), element('p', { class: 'note candidate' })];
          setText(text, alternative.text);
          setText(about, describeCandidate(alternative));
          return element('li', { class: alternative.discardedBy === null ? '' : 'rejected' }, text, about);
        }),
      );
    },
  };
}
