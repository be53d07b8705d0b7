/* The type of the objects that sys.monitoring calls; what they do is in events.c. */
#include "engine/callback.h"

#include <structmember.h>

static int
callback_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((struct ft_callback *)self)->module);
    return 0;
}

static int
callback_clear(PyObject *self)
{
    Py_CLEAR(((struct ft_callback *)self)->module);
    return 0;
}

static void
callback_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    callback_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef callback_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct ft_callback, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot callback_slots[] = {
    {Py_tp_dealloc, callback_dealloc}, {Py_tp_traverse, callback_traverse},
    {Py_tp_clear, callback_clear},     {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, callback_members}, {0, NULL},
};

PyType_Spec ft_callback_spec = {
    .name = "pyftrace._engine.Callback",
    .basicsize = sizeof(struct ft_callback),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = callback_slots,
};

PyObject *
ft_callback_new(struct ft_engine *e, enum ft_event event)
{
    PyTypeObject *type = (PyTypeObject *)e->callback_type;
    struct ft_callback *self = (struct ft_callback *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->vectorcall = ft_event_table[event].callback;
    self->engine = e;
    self->module = Py_NewRef(e->module);
    return (PyObject *)self;
}
