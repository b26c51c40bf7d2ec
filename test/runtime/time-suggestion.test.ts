import assert from 'node:assert/strict';
import { it } from 'node:test';
import { LanguageModel } from '../../src/model/language-model.ts';
import { timeSuggestion } from '../../src/runtime/time-suggestion.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

it('measures the time of suggestions with new contexts, and can be stopped', async () => {
  const checkpoint = tinyCheckpoint({ attention: 'prefix-lm', eom_token_id: 3 });
  const model = await LanguageModel.loadFrozen(oneThread(), checkpoint, 'f32');
  const begin = performance.now();
  const milliseconds = await timeSuggestion(model);
  assert.ok(milliseconds > 0 && milliseconds < performance.now() - begin);
  assert.ok(model.work.forwards >= 4, 'the first suggestion does not count, and three are timed');
  await assert.rejects(timeSuggestion(model, AbortSignal.abort()), { name: 'AbortError' });
  await model.dispose();
});
