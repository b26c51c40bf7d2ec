import type { PanelRun } from '../../src/protocol/panel.ts';

/** A run as in a list of runs. */
export function exampleRun(changes: Partial<PanelRun> = {}): PanelRun {
  return {
    run: '20260101-000000-000-sudoku4x4-spg-mixture',
    name: '20260101-000000-000-sudoku4x4-spg-mixture',
    dir: '/home/runs/20260101-000000-000-sudoku4x4-spg-mixture',
    state: 'running',
    step: 12,
    steps: 100,
    eta: 184,
    kind: 'tune',
    task: 'sudoku4x4',
    model: 'unmask-puzzles',
    objective: 'spg-mixture',
    device: { engine: 'onnx', device: 'cpu' },
    memory: null,
    createdAt: '2026-01-01T00:00:00.000Z',
    bytes: 24_000_000,
    ...changes,
  };
}
