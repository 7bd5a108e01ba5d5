"""The figures of the report: panels, a legend and a caption that says what they show and n."""
