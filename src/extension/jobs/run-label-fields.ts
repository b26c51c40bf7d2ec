import type { RunLabels } from '../../protocol/run.ts';
import type { LabelChange } from '../../runs/labels.ts';

/** A label as an input box of one line edits it. */
export interface LabelField {
  readonly title: string;
  readonly prompt: string;
  /** The text of the label now. */
  text(labels: RunLabels): string;
  /** The change that the edited text means. */
  change(text: string, labels: RunLabels): LabelChange;
}

export const nameField: LabelField = {
  title: 'Rename Run',
  prompt: 'Name of the run in lists. Its folder keeps its name. Leave it empty to remove the name.',
  text: ({ name = '' }) => name,
  change: (name) => ({ name }),
};

const wordsOf = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);

export const tagsField: LabelField = {
  title: 'Edit Tags of Run',
  prompt: 'Tags, separated by spaces.',
  text: ({ tags }) => tags.join(' '),
  change: (text, { tags }) => ({
    addTags: wordsOf(text),
    removeTags: tags.filter((tag) => !wordsOf(text).includes(tag)),
  }),
};

export const noteField: LabelField = {
  title: 'Edit Note of Run',
  prompt: 'A note about the run; \\n is a line break. Leave it empty to remove the note.',
  text: ({ notes = '' }) => notes.replaceAll('\\', '\\\\').replaceAll('\n', '\\n'),
  change: (text) => ({ notes: text.replace(/\\(n|\\)/g, (_, escaped) => (escaped === 'n' ? '\n' : '\\')) }),
};
