export { data } from './perceptron.ts';
import type { TaskContext } from '../../src/compute/objective/task-module.ts';
import { perceptron } from './perceptron.ts';

export const model = (context: TaskContext) => perceptron(context, 1024);
