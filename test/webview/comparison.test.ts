import assert from 'node:assert/strict';
import { it } from 'node:test';
import { compareCharts } from '../../webview/comparison.ts';

it('two runs share one chart, over the steps of both', () => {
  const own = [
    { title: 'Reward', steps: [1, 2, 4], curves: [{ label: 'reward', values: [1, 2, null] }] },
    { title: 'Loss', steps: [1], curves: [{ label: 'loss', values: [3] }] },
  ];
  const other = [
    {
      title: 'Reward',
      steps: [2, 3],
      curves: [
        { label: 'format', values: [5, 6] },
        { label: 'reward', values: [7, 8], low: [6, 7], high: [8, 9] },
      ],
    },
    { title: 'Entropy', steps: [2], curves: [{ label: 'entropy', values: [0.1] }] },
  ];
  const compared = compareCharts(own, [other]);
  assert.deepEqual(
    compared.map(({ title }) => title),
    ['Reward', 'Loss', 'Entropy'],
  );
  assert.deepEqual(compared[0], {
    title: 'Reward',
    steps: [1, 2, 3, 4],
    curves: [
      { label: 'reward', values: [1, 2, null, null] },
      // A curve that the first run does not have gets the next colour.
      { label: 'format (compared)', values: [null, 5, 6, null], comparedWith: 1, comparedRun: 0 },
      {
        label: 'reward (compared)',
        values: [null, 7, 8, null],
        low: [null, 6, 7, null],
        high: [null, 8, 9, null],
        comparedWith: 0,
        comparedRun: 0,
      },
    ],
  });
  assert.deepEqual(compared[1], own[1]);
  assert.deepEqual(compared[2]?.curves, [
    { label: 'entropy (compared)', values: [0.1], comparedWith: 0, comparedRun: 0 },
  ]);
});

it('curves of several runs have the colour of the shown run, and the number of their run', () => {
  const reward = (value: number) => [{ title: 'Reward', steps: [1], curves: [{ label: 'reward', values: [value] }] }];
  const loss = [{ title: 'Loss', steps: [1], curves: [{ label: 'loss', values: [9] }] }];
  const charts = compareCharts(reward(1), [
    [...reward(2), ...loss],
    [...reward(3), ...loss],
  ]);
  assert.deepEqual(
    charts.map(({ curves }) => curves),
    [
      [
        { label: 'reward', values: [1] },
        { label: 'reward (run 2)', values: [2], comparedWith: 0, comparedRun: 0 },
        { label: 'reward (run 3)', values: [3], comparedWith: 0, comparedRun: 1 },
      ],
      [
        { label: 'loss (run 2)', values: [9], comparedWith: 0, comparedRun: 0 },
        { label: 'loss (run 3)', values: [9], comparedWith: 0, comparedRun: 1 },
      ],
    ],
  );
});
