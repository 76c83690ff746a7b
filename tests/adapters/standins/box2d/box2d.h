// What box2d.hpp uses of Box2D 3, as its documentation says it; with BOX2D_TASKS_ALONE of the versions whose tasks have no range.
#pragma once
#include <cstdint>
#ifdef BOX2D_TASKS_ALONE
typedef void b2TaskCallback(void *task_context);
typedef void *b2EnqueueTaskCallback(b2TaskCallback *task, void *task_context, void *user_context);
#else
typedef void b2TaskCallback(int start, int end, std::uint32_t worker, void *task_context);
typedef void *b2EnqueueTaskCallback(b2TaskCallback *task, int items, int least, void *task_context, void *user_context);
#endif
typedef void b2FinishTaskCallback(void *user_task, void *user_context);
struct b2WorldDef {
    int workerCount;
    b2EnqueueTaskCallback *enqueueTask;
    b2FinishTaskCallback *finishTask;
    void *userTaskContext;
};
