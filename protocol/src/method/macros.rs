//! The macro that makes everything about methods out of their table.

/// Makes a module per class with a struct per method and an enum of them, and the enum of all classes.
macro_rules! methods {
    ($(
        $class_doc:literal $module:ident $class:ident = $class_id:literal {
            $(
                $method_doc:literal $method:ident = $method_id:literal $name:literal $($content:ident)? {
                    $($field:ident: $type:ty, $field_doc:literal;)*
                }
            )*
        }
    )*) => {
        $(
            #[doc = $class_doc]
            pub mod $module {
                use super::*;

                /// Id of the class on the wire.
                pub const CLASS_ID: u16 = $class_id;

                $(
                    $crate::method::macros::method_struct! {
                        $method_doc $method { $($field: $type, $field_doc;)* }
                    }

                    impl $method {
                        /// Id of the method in its class.
                        pub const METHOD_ID: u16 = $method_id;

                        /// Class and method as they are written, joined by a dot.
                        pub const NAME: &'static str = $name;

                        /// Whether a content header and a body follow.
                        pub const HAS_CONTENT: bool =
                            $crate::method::macros::has_content!($($content)?);
                    }

                    impl From<$method> for Method {
                        fn from(method: $method) -> Self {
                            Self::$method(method)
                        }
                    }

                    impl From<$method> for super::Method {
                        fn from(method: $method) -> Self {
                            Self::$class(Method::$method(method))
                        }
                    }
                )*

                #[doc = concat!("A method of class ", stringify!($module), ".")]
                #[derive(Clone, Debug, PartialEq)]
                pub enum Method {
                    $(#[doc = $method_doc] $method($method),)*
                }

                impl Method {
                    pub(super) fn decode(
                        method_id: u16,
                        arguments: &[u8],
                    ) -> Result<Self, MethodError> {
                        match method_id {
                            $($method_id => $method::decode(arguments).map(Self::$method),)*
                            _ => Err(MethodError::Unknown { class_id: CLASS_ID, method_id }),
                        }
                    }

                    pub(super) fn encode_arguments(&self, out: &mut BytesMut) {
                        match self {
                            $(Self::$method(method) => method.encode_arguments(out),)*
                        }
                    }

                    /// Id of the method in its class.
                    #[must_use]
                    pub const fn method_id(&self) -> u16 {
                        match self {
                            $(Self::$method(_) => $method_id,)*
                        }
                    }

                    /// Class and method as they are written, such as `basic.publish`.
                    #[must_use]
                    pub const fn name(&self) -> &'static str {
                        match self {
                            $(Self::$method(_) => $name,)*
                        }
                    }

                    /// Whether a content header and a body follow.
                    #[must_use]
                    pub const fn has_content(&self) -> bool {
                        match self {
                            $(Self::$method(_) => $method::HAS_CONTENT,)*
                        }
                    }
                }

                impl From<Method> for super::Method {
                    fn from(method: Method) -> Self {
                        Self::$class(method)
                    }
                }
            }
        )*

        /// A method of any class.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Method {
            $(#[doc = $class_doc] $class($module::Method),)*
        }

        impl Method {
            /// Reads the payload of a method frame.
            ///
            /// # Errors
            /// A [`MethodError`] when the octets are not exactly a method.
            pub fn decode(payload: &[u8]) -> Result<Self, MethodError> {
                let ((class_id, method_id), arguments) = ids(payload)?;
                match class_id {
                    $($class_id => $module::Method::decode(method_id, arguments).map(Self::$class),)*
                    _ => Err(MethodError::Unknown { class_id, method_id }),
                }
            }

            /// Appends the payload of a method frame: class id, method id and arguments.
            pub fn encode(&self, out: &mut BytesMut) {
                out.put_u16(self.class_id());
                out.put_u16(self.method_id());
                match self {
                    $(Self::$class(method) => method.encode_arguments(out),)*
                }
            }

            /// Id of the class.
            #[must_use]
            pub const fn class_id(&self) -> u16 {
                match self {
                    $(Self::$class(_) => $class_id,)*
                }
            }

            /// Id of the method in its class.
            #[must_use]
            pub const fn method_id(&self) -> u16 {
                match self {
                    $(Self::$class(method) => method.method_id(),)*
                }
            }

            /// Class and method as they are written, such as `basic.publish`.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$class(method) => method.name(),)*
                }
            }

            /// Whether a content header and a body follow.
            #[must_use]
            pub const fn has_content(&self) -> bool {
                match self {
                    $(Self::$class(method) => method.has_content(),)*
                }
            }
        }

        /// Class and method as they are written, such as `basic.publish`.
        #[must_use]
        pub const fn method_name(class_id: u16, method_id: u16) -> Option<&'static str> {
            match (class_id, method_id) {
                $($(($class_id, $method_id) => Some($name),)*)*
                _ => None,
            }
        }

        /// Every method with any arguments.
        #[cfg(test)]
        pub(crate) fn any_method() -> proptest::strategy::BoxedStrategy<Method> {
            use proptest::prelude::*;
            use $crate::samples::Sample;

            let each: Vec<BoxedStrategy<Method>> = vec![$($(
                (Just(()), $(<$type as Sample>::sample(),)*)
                    .prop_map(|((), $($field,)*)| Method::from($module::$method { $($field,)* }))
                    .boxed(),
            )*)*];
            proptest::strategy::Union::new(each).boxed()
        }
    };
}

/// A method without arguments is a unit, so that it can be written without braces.
macro_rules! method_struct {
    ($doc:literal $method:ident {}) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        pub struct $method;

        impl $method {
            fn decode(arguments: &[u8]) -> Result<Self, MethodError> {
                let ids = (CLASS_ID, Self::METHOD_ID);
                decode(ids, arguments, Self::HAS_CONTENT, |_| Ok(Self))
            }

            const fn encode_arguments(&self, _out: &mut BytesMut) {}
        }
    };
    ($doc:literal $method:ident { $($field:ident: $type:ty, $field_doc:literal;)* }) => {
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Default)]
        pub struct $method {
            $(#[doc = $field_doc] pub $field: $type,)*
        }

        impl $method {
            fn decode(arguments: &[u8]) -> Result<Self, MethodError> {
                let ids = (CLASS_ID, Self::METHOD_ID);
                decode(ids, arguments, Self::HAS_CONTENT, |reader| {
                    Ok(Self { $($field: Argument::read(reader)?,)* })
                })
            }

            fn encode_arguments(&self, out: &mut BytesMut) {
                let mut writer = Writer::new(out);
                $(Argument::write(&self.$field, &mut writer);)*
                writer.finish();
            }
        }
    };
}

macro_rules! has_content {
    () => {
        false
    };
    (content) => {
        true
    };
}

pub(super) use {has_content, method_struct, methods};
