import assert from 'node:assert/strict';
import { it } from 'node:test';
import { nameField, noteField, tagsField } from '../../src/extension/jobs/run-label-fields.ts';

const labels = { schema: 1, name: 'mine', tags: ['sudoku', 'good'], notes: 'one\ntwo \\n C:\\new' } as const;
const none = { schema: 1, tags: [] } as const;

it('the fields of a run show its labels, and leave them as they are if nothing is edited', () => {
  assert.deepEqual(
    [nameField, tagsField, noteField].map((field) => field.text(none)),
    ['', '', ''],
  );
  assert.deepEqual(nameField.change(nameField.text(labels), labels), { name: 'mine' });
  assert.deepEqual(tagsField.change(tagsField.text(labels), labels), { addTags: labels.tags, removeTags: [] });
  assert.ok(!noteField.text(labels).includes('\n'), 'an input box has one line');
  assert.deepEqual(noteField.change(noteField.text(labels), labels), { notes: labels.notes });
});

it('edited tags replace the earlier ones', () => {
  assert.deepEqual(tagsField.change(' new, good ', labels), { addTags: ['new', 'good'], removeTags: ['sudoku'] });
});
