//! The functions that an instance exports, and calls of them.

use wasmtime::Store;
use wasmtime::component::{Accessor, ComponentNamedList, Instance, Lift, Lower, TypedFunc};

use super::guest::Guest;
use super::services::Depth;

/// The function `handle` of an interface, if the component exports that. Fails if it is of another type.
pub(super) fn function<P, R>(
    instance: &Instance,
    store: &mut Store<Guest>,
    interface: &str,
) -> wasmtime::Result<Option<TypedFunc<P, R>>>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let interface = instance.get_export_index(&mut *store, None, interface);
    interface
        .and_then(|interface| instance.get_export_index(&mut *store, Some(&interface), "handle"))
        .map(|function| instance.get_typed_func(store, function))
        .transpose()
}

/// Calls such a function for a request of this depth. Fails if the instance traps.
pub(super) async fn call<P, R>(
    accessor: &Accessor<Guest>,
    handle: TypedFunc<P, R>,
    depth: Depth,
    parameters: P,
) -> wasmtime::Result<R>
where
    P: ComponentNamedList + Lower + Send + 'static,
    R: ComponentNamedList + Lift + Send + 'static,
{
    let call = accessor.with(|mut access| {
        let call = handle.start_call_concurrent(&mut access, parameters)?;
        access.data_mut().outgoing().began(call.task(), depth);
        wasmtime::error::Ok(call)
    })?;
    let task = call.task();
    let result = handle.finish_call_concurrent(accessor, call).await?;
    accessor.with(|mut access| access.data_mut().outgoing().ended(task));
    Ok(result)
}
